using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Delivery;

/// <summary>
/// A load balancer keeps idle connections to the replicas and sends later requests into them. What matters is which side
/// closes first: if it is the replica, a request meets a connection that is just being closed, and its sender gets a 502 or nothing.
/// </summary>
public sealed class KeepAliveTests(PostgresServer server)
{
    private const int Connections = 2_000;

    /// <summary>A load balancer closes after 60 s, a replica after 130 s: here a thirtieth of both, and the reverse.</summary>
    [Theory]
    [InlineData("2s", "00:00:04.3", true)]
    [InlineData("60s", "00:00:01", false)]
    public async Task Idle_connections_lose_no_request_if_the_load_balancer_closes_first(string givesUpAfter, string keepAlive, bool isRight)
    {
        await using var api = await ApiProcess.StartAsync(await server.CreateDatabaseAsync(), new Dictionary<string, string?>
        {
            ["Kestrel__Limits__KeepAliveTimeout"] = keepAlive,
        });
        // The senders stay connected; only the connections between HAProxy and the replica become idle.
        // Health checks are rare: a replica that accepts 2,000 connections on a busy machine is slow but not down.
        await using var balancer = await LoadBalancer.StartAsync(
            [api.Http.BaseAddress!.Port], "60s", "  retries 0", "  http-reuse always", "  timeout connect 30s",
                $"  default-server pool-purge-delay {givesUpAfter} inter 10s fastinter 10s downinter 1s");
        var failures = new ConcurrentQueue<string>();
        var answered = 0;
        var senders = new Socket[Connections];
        for (var i = 0; i < senders.Length; i++)
        {
            senders[i] = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await senders[i].ConnectAsync(balancer.Address.Host, balancer.Address.Port);
            // The incomplete request holds a connection to the replica, so there are as many connections as senders.
            var headers = $"POST /assignments HTTP/1.1\r\nHost: {balancer.Address.Authority}\r\nContent-Type: application/json\r\n";
            await senders[i].SendAsync(Ascii(headers + "Content-Length: 2\r\n\r\n"));
        }
        await Task.WhenAll(senders.Select(sender => AskAsync(sender, Ascii("{}"), 400)));
        Assert.Equal(("", Connections), (string.Join('\n', failures), answered));

        var request = Ascii($"GET /health/live HTTP/1.1\r\nHost: {balancer.Address.Authority}\r\n\r\n");
        // The replica closes at full seconds: the pauses are shorter and longer than both timeouts.
        var (started, span) = (TimeProvider.System.GetTimestamp(), TimeSpan.FromSeconds(isRight ? 12 : 60));
        await Task.WhenAll(senders.Select(async sender =>
        {
            while (failures.IsEmpty && TimeProvider.System.GetElapsedTime(started) < span)
            {
                await Task.Delay(TimeSpan.FromSeconds(0.5 + 2 * Random.Shared.NextDouble()), TimeProvider.System);
                await AskAsync(sender, request, 200);
            }
        }));
        foreach (var sender in senders)
        {
            sender.Dispose();
        }
        if (isRight)
        {
            Assert.Empty(failures);
            Assert.True(answered > 3 * Connections);
        }
        else
        {
            Assert.NotEmpty(failures);
        }

        async Task AskAsync(Socket sender, byte[] bytes, int status)
        {
            var answer = new byte[4096];
            try
            {
                await sender.SendAsync(bytes);
                var text = Encoding.ASCII.GetString(answer, 0, await sender.ReceiveAsync(answer));
                if (!text.StartsWith($"HTTP/1.1 {status} ", StringComparison.Ordinal))
                {
                    failures.Enqueue(text.Length == 0 ? "closed without an answer" : text.Split('\r')[0]);
                    return;
                }
                Interlocked.Increment(ref answered);
            }
            catch (SocketException e)
            {
                failures.Enqueue(e.Message);
            }
        }
    }

    private static byte[] Ascii(string text) => Encoding.ASCII.GetBytes(text);
}
