using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Allocator.Tests.Client.Machine;

/// <summary>Something that listens, and says to everybody the same few bytes, with TLS or without.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly string _says;
    private readonly X509Certificate2? _certificate;
    private readonly Task _listening;

    public RawServer(string says, X509Certificate2? certificate = null)
    {
        (_says, _certificate) = (says.ReplaceLineEndings("\r\n"), certificate);
        _listener.Start();
        _listening = ListenAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>What it was asked: the first line and the headers.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    /// <summary>As the allocator answers that it is alive.</summary>
    public static string Live(DateTimeOffset? date = null) =>
        $"""
        HTTP/1.1 200 OK
        Content-Type: text/plain; charset=utf-8
        Date: {date ?? TimeProvider.System.GetUtcNow():R}
        Content-Length: 4
        Connection: close

        live
        """;

    /// <summary>A certificate that signs itself, and so is its own CA.</summary>
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

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _listening;
        _stop.Dispose();
    }

    private async Task ListenAsync()
    {
        try
        {
            while (true)
            {
                using var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                try
                {
                    await AnswerAsync(client);
                }
                catch (Exception e) when (e is IOException or AuthenticationException)
                {
                    // The other side hung up.
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The test is over.
        }
    }

    private async Task AnswerAsync(TcpClient client)
    {
        Stream stream = client.GetStream();
        if (_certificate is not null)
        {
            var tls = new SslStream(stream);
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate }, _stop.Token);
            stream = tls;
        }
        var request = new StringBuilder();
        var buffer = new byte[4096];
        while (!request.ToString().Contains("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(buffer, _stop.Token) is > 0 and var read)
        {
            request.Append(Encoding.ASCII.GetString(buffer, 0, read));
        }
        Asked.Enqueue(request.ToString());
        await stream.WriteAsync(Encoding.UTF8.GetBytes(_says), _stop.Token);
        await stream.DisposeAsync();
    }
}
