using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Allocator.Tests.Client;

/// <summary>A server that says what no web server would: for each connection, a test writes what it likes.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TcpListener _listener;
    private readonly Task _accepting;
    private readonly ConcurrentBag<Task> _connections = [];

    /// <param name="serve">Gets the connection and the head of its first request, line by line.</param>
    public RawServer(Func<NetworkStream, string[], CancellationToken, Task> serve, IPAddress? address = null, int port = 0)
    {
        _listener = new TcpListener(address ?? IPAddress.Loopback, port);
        _listener.Start();
        _accepting = AcceptAsync(serve);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public Uri Url => new($"http://{_listener.LocalEndpoint}");

    /// <summary>Writes this text, and then nothing more.</summary>
    public static Task WriteAsync(NetworkStream stream, string text, CancellationToken cancel) =>
        stream.WriteAsync(Encoding.ASCII.GetBytes(text), cancel).AsTask();

    /// <summary>Lets two connections speak with each other until one ends.</summary>
    public static async Task RelayAsync(NetworkStream one, NetworkStream other, CancellationToken cancel) =>
        await Task.WhenAny(one.CopyToAsync(other, cancel), other.CopyToAsync(one, cancel));

    /// <summary>The head of a request, line by line, without the empty line at its end.</summary>
    public static async Task<string[]> ReadHeadAsync(NetworkStream stream, CancellationToken cancel)
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

    private async Task AcceptAsync(Func<NetworkStream, string[], CancellationToken, Task> serve)
    {
        while (true)
        {
            try
            {
                _connections.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token), serve));
            }
            // Each of them, and "not listening", is how a listener says that it was stopped.
            catch (Exception e) when (e is OperationCanceledException or SocketException or InvalidOperationException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(TcpClient client, Func<NetworkStream, string[], CancellationToken, Task> serve)
    {
        using (client)
        {
            try
            {
                var stream = client.GetStream();
                await serve(stream, await ReadHeadAsync(stream, _stop.Token), _stop.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or IOException or SocketException)
            {
                // The client or the test has gone.
            }
        }
    }
}
