using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Allocator.Polling;

namespace Allocator.Client.Agent.Doctor;

/// <summary>The stages of a request, in order.</summary>
internal enum ConnectionStage
{
    None,

    /// <summary>The name was resolved.</summary>
    Name,

    /// <summary>The connection was accepted.</summary>
    Connection,

    /// <summary>A response arrived.</summary>
    Response,
}

/// <summary>
/// Sends one request without secrets through the client's own connection settings (proxy and authorities) and records each
/// stage. An invalid certificate is recorded and accepted, so that later stages are checked too.
/// </summary>
internal sealed class Probe : IDisposable
{
    private readonly SocketsHttpHandler _handler;
    private readonly TimeSpan _timeout;

    public Probe(AllocatorClientOptions options, TimeSpan timeout)
    {
        _timeout = timeout;
        _handler = Connections.Create(options);
        _handler.ConnectCallback = (context, cancel) => ConnectAsync(context.DnsEndPoint, cancel);
        _handler.SslOptions.RemoteCertificateValidationCallback = Record;
    }

    public ConnectionStage Stage { get; private set; }

    /// <summary>Gets the host that the client connects to: the allocator's or the proxy's.</summary>
    public DnsEndPoint? Peer { get; private set; }

    public IPAddress[] Addresses { get; private set; } = [];

    public EndPoint? ConnectedTo { get; private set; }

    public X509Certificate2? Certificate { get; private set; }

    public SslPolicyErrors CertificateErrors { get; private set; }

    public X509ChainStatusFlags ChainErrors { get; private set; }

    /// <summary>Gets the error if no response arrived.</summary>
    public Exception? Failure { get; private set; }

    public HttpResponseMessage? Response { get; private set; }

    /// <summary>Gets the beginning of the response.</summary>
    public string Body { get; private set; } = "";

    /// <summary>Gets how far this machine's clock is ahead of the server's; null if the response has no date.</summary>
    public TimeSpan? ClockAhead { get; private set; }

    public async Task SendAsync(Uri url, TimeProvider time, CancellationToken cancel)
    {
        using var http = new HttpClient(_handler, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
        using var late = new CancellationTokenSource(_timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, late.Token);
        try
        {
            Response = await http.GetAsync(url, HttpCompletionOption.ResponseHeadersRead, either.Token);
            Stage = ConnectionStage.Response;
            ClockAhead = Response.Headers.Date is { } date ? time.GetUtcNow() - date : null;
            var body = new byte[4096];
            await using var stream = await Response.Content.ReadAsStreamAsync(either.Token);
            var length = await stream.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, either.Token);
            Body = System.Text.Encoding.UTF8.GetString(body, 0, length);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested && e is HttpRequestException or IOException or OperationCanceledException)
        {
            Failure = e is OperationCanceledException ? new TimeoutException($"no response within {_timeout.TotalSeconds:0.#} s") : e;
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
            ConnectedTo = socket.RemoteEndPoint is IPEndPoint { Address: { IsIPv4MappedToIPv6: true } mapped } v4
                ? new IPEndPoint(mapped.MapToIPv4(), v4.Port)
                : socket.RemoteEndPoint;
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private bool Record(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        Certificate = certificate is null ? null : X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
        CertificateErrors = errors;
        ChainErrors = chain?.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, one) => all | one.Status) ?? default;
        return true;
    }
}
