using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Allocator.Tests.Client;

/// <summary>A server, with or without TLS, on whose connections a test can write what no web server would.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TcpListener _listener;
    private readonly Task _accepting;
    private readonly ConcurrentBag<Task> _connections = [];
    private readonly Func<Stream, string[], CancellationToken, Task> _serve;
    private readonly X509Certificate2? _certificate;

    /// <param name="serve">Gets the connection and the head of its first request, line by line.</param>
    /// <param name="certificate">The certificate for TLS; null for a server without TLS.</param>
    public RawServer(Func<Stream, string[], CancellationToken, Task> serve, IPAddress? address = null,
        int port = 0, X509Certificate2? certificate = null)
    {
        (_serve, _certificate) = (serve, certificate);
        _listener = new TcpListener(address ?? IPAddress.Loopback, port);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Creates a server that writes the same response to each connection and closes it.</summary>
    public RawServer(string says, X509Certificate2? certificate = null)
        : this((stream, _, cancel) => WriteAsync(stream, says.ReplaceLineEndings("\r\n"), cancel), certificate: certificate)
    {
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public Uri Url => new($"http://{_listener.LocalEndpoint}");

    /// <summary>Gets the head of the first request of each connection.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    /// <summary>The allocator's response to <c>/health/live</c>.</summary>
    public static string Live(DateTimeOffset? date = null) =>
        $"""
        HTTP/1.1 200 OK
        Content-Type: text/plain; charset=utf-8
        Date: {date ?? TimeProvider.System.GetUtcNow():R}
        Content-Length: 4
        Connection: close

        live
        """;

    /// <summary>Creates a self-signed certificate, which is also its own authority.</summary>
    public static X509Certificate2 Certificate(string name, DateTimeOffset from, DateTimeOffset until)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var certificate = request.CreateSelfSigned(from, until);
        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);
    }

    /// <summary>Writes this text, and then nothing more.</summary>
    public static Task WriteAsync(Stream stream, string text, CancellationToken cancel) =>
        stream.WriteAsync(Encoding.UTF8.GetBytes(text), cancel).AsTask();

    /// <summary>Forwards data between two connections until one of them ends.</summary>
    public static async Task RelayAsync(Stream one, Stream other, CancellationToken cancel) =>
        await Task.WhenAny(one.CopyToAsync(other, cancel), other.CopyToAsync(one, cancel));

    /// <summary>Reads the head of a request, line by line, without the empty line at its end.</summary>
    public static async Task<string[]> ReadHeadAsync(Stream stream, CancellationToken cancel)
    {
        var head = new StringBuilder();
        var next = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(next, cancel) == 1)
        {
            head.Append((char)next[0]);
        }
        return head.ToString().Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_connections);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            try
            {
                _connections.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
            // A stopped listener throws one of these, or "not listening".
            catch (Exception e) when (e is OperationCanceledException or SocketException or InvalidOperationException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                await using var stream = await OpenAsync(client.GetStream());
                var head = await ReadHeadAsync(stream, _stop.Token);
                Asked.Enqueue(string.Join("\r\n", head));
                await _serve(stream, head, _stop.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or IOException or SocketException or AuthenticationException)
            {
                // The client has disconnected, or the test is over.
            }
        }
    }

    private async Task<Stream> OpenAsync(Stream stream)
    {
        if (_certificate is null)
        {
            return stream;
        }
        var tls = new SslStream(stream);
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate }, _stop.Token);
        return tls;
    }
}
