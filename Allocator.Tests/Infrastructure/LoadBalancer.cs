using System.Net;
using System.Net.Sockets;

namespace Allocator.Tests.Infrastructure;

/// <summary>HAProxy as <c>scripts/haproxy.cfg</c> sets it, before replicas that listen on ports of this machine.</summary>
internal sealed class LoadBalancer : IAsyncDisposable
{
    private readonly Executable _program;
    private readonly string _file;

    private LoadBalancer(Executable program, string file, Uri address) => (_program, _file, Address) = (program, file, address);

    public Uri Address { get; }

    /// <param name="lines">More of what the file says of its replicas.</param>
    public static async Task<LoadBalancer> StartAsync(IEnumerable<int> ports, string idleTimeout = "60s", params string[] lines)
    {
        var file = Path.Combine(Path.GetTempPath(), $"allocator-haproxy-{Guid.NewGuid():n}.cfg");
        await File.WriteAllLinesAsync(file,
        [
            .. await File.ReadAllLinesAsync(Path.Combine(RepositoryRoot.Path, "scripts", "haproxy.cfg")),
            .. lines,
            .. ports.Select((port, i) => $"  server api-{i} 127.0.0.1:{port}"),
        ]);
        var address = new Uri($"http://127.0.0.1:{FreePort()}");
        // Looks ten times as often as in life, so that a replica drains for a tenth of the time.
        var program = Executable.Start(
            Environment.GetEnvironmentVariable("PATH")!.Split(':').Append("/usr/sbin").Select(folder => Path.Combine(folder, "haproxy")).First(File.Exists),
            ["-db", "-f", file],
            new Dictionary<string, string?> { ["LISTEN"] = address.Authority, ["IDLE_TIMEOUT"] = idleTimeout, ["CHECK_INTERVAL"] = "100ms" });
        var balancer = new LoadBalancer(program, file, address);
        using var http = new HttpClient { BaseAddress = address };
        await Wait.UntilAsync(async () =>
        {
            await program.ThrowIfExitedAsync();
            try
            {
                return (await http.GetAsync("/health/ready")).IsSuccessStatusCode;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }, "HAProxy has a replica");
        return balancer;
    }

    /// <summary>Below those that the system hands out by itself.</summary>
    public static int FreePort()
    {
        while (true)
        {
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, Random.Shared.Next(20_000, 30_000));
                listener.Start();
                return ((IPEndPoint)listener.LocalEndpoint).Port;
            }
            catch (SocketException)
            {
                // Taken.
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _program.DisposeAsync();
        File.Delete(_file);
    }
}
