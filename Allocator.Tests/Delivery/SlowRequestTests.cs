using System.Net.Sockets;
using System.Text;
using Allocator.Tests.Infrastructure;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;

namespace Allocator.Tests.Delivery;

/// <summary>A caller that sends half a request does not hold a connection for long.</summary>
public sealed class SlowRequestTests(PostgresServer server)
{
    [Fact]
    public async Task Replica_and_load_balancer_wait_ten_seconds_for_headers()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var limits = deployment.Replica.Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value.Limits;
        Assert.Equal(TimeSpan.FromSeconds(10), limits.RequestHeadersTimeout);

        var haproxy = await File.ReadAllTextAsync(Path.Combine(RepositoryRoot.Path, "scripts", "haproxy.cfg"));
        Assert.Contains("\n  presetenv REQUEST_TIMEOUT 10s\n", haproxy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Half_sent_headers_are_answered_with_408_by_the_load_balancer()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await using var balancer = await LoadBalancer.StartAsync([deployment.Replica.Address.Port], "60s", requestTimeout: "200ms");
        using var caller = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await caller.ConnectAsync(balancer.Address.Host, balancer.Address.Port);
        await caller.SendAsync(Encoding.ASCII.GetBytes("GET /health/live HTTP/1.1\r\nHost: "));

        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var answer = new byte[4096];
        var length = await caller.ReceiveAsync(answer, deadline.Token);

        Assert.StartsWith("HTTP/1.1 408 ", Encoding.ASCII.GetString(answer, 0, length), StringComparison.Ordinal);
    }
}
