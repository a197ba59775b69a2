using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Allocator.Client.Agent.Doctor;

/// <summary>How far a request came.</summary>
internal enum ConnectionStage
{
    /// <summary>Not even a name was found.</summary>
    Nothing,

    /// <summary>The name has addresses.</summary>
    Name,

    /// <summary>Something accepted the connection.</summary>
    Connection,

    /// <summary>There was an answer.</summary>
    Answer,
}

/// <summary>
/// One request without any secret, on the client's own way to the allocator (its proxy, its TLS), that keeps what
/// happened at each step. A certificate that is wrong is noted and passed over: what is behind it tells more.
/// </summary>
internal sealed class Probe : IDisposable
{
    private readonly SocketsHttpHandler _handler;
    private readonly TimeSpan _patience;

    public Probe(TimeSpan patience)
    {
        _patience = patience;
        _handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            ConnectCallback = (context, cancel) => ConnectAsync(context.DnsEndPoint, cancel),
            SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = Note },
        };
    }

    public ConnectionStage Stage { get; private set; }

    /// <summary>Whom the client connects to: the allocator's host, or the proxy's.</summary>
    public DnsEndPoint? Peer { get; private set; }

    public IPAddress[] Addresses { get; private set; } = [];

    public EndPoint? ConnectedTo { get; private set; }

    public X509Certificate2? Certificate { get; private set; }

    public SslPolicyErrors CertificateErrors { get; private set; }

    public X509ChainStatusFlags ChainErrors { get; private set; }

    /// <summary>Why there was no answer.</summary>
    public Exception? Failure { get; private set; }

    public HttpResponseMessage? Response { get; private set; }

    /// <summary>The beginning of the answer.</summary>
    public string Body { get; private set; } = "";

    /// <summary>How far this machine's clock is ahead of the answering one's; null where the answer does not say.</summary>
    public TimeSpan? ClockAhead { get; private set; }

    public async Task AskAsync(Uri url, TimeProvider time, CancellationToken cancel)
    {
        using var http = new HttpClient(_handler, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
        using var patience = new CancellationTokenSource(_patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        try
        {
            Response = await http.GetAsync(url, HttpCompletionOption.ResponseHeadersRead, either.Token);
            Stage = ConnectionStage.Answer;
            ClockAhead = Response.Headers.Date is { } date ? time.GetUtcNow() - date : null;
            var body = new byte[4096];
            await using var stream = await Response.Content.ReadAsStreamAsync(either.Token);
            Body = System.Text.Encoding.UTF8.GetString(body, 0, await stream.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, either.Token));
        }
        catch (Exception e) when (!cancel.IsCancellationRequested && e is HttpRequestException or IOException or OperationCanceledException)
        {
            Failure = e is OperationCanceledException ? new TimeoutException($"no answer within {_patience.TotalSeconds:0.#} s") : e;
        }
    }

    public void Dispose()
    {
        Response?.Dispose();
        Certificate?.Dispose();
        _handler.Dispose();
    }

    private async ValueTask<Stream> ConnectAsync(DnsEndPoint peer, CancellationToken cancel)
    {
        Peer = peer;
        Addresses = await Dns.GetHostAddressesAsync(peer.Host, cancel);
        Stage = ConnectionStage.Name;
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(Addresses, peer.Port, cancel);
            Stage = ConnectionStage.Connection;
            ConnectedTo = socket.RemoteEndPoint is IPEndPoint { Address: { IsIPv4MappedToIPv6: true } mapped } v4 ? new IPEndPoint(mapped.MapToIPv4(), v4.Port) : socket.RemoteEndPoint;
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private bool Note(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        Certificate = certificate is null ? null : X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
        CertificateErrors = errors;
        ChainErrors = chain?.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, one) => all | one.Status) ?? default;
        return true;
    }
}
