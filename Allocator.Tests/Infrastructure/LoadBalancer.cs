namespace Allocator.Tests.Infrastructure;

/// <summary>HAProxy with the settings of <c>scripts/haproxy.cfg</c>, in front of replicas on ports of this machine.</summary>
internal sealed class LoadBalancer : IAsyncDisposable
{
    private readonly Executable _program;
    private readonly ReservedPort _port;
    private readonly string _file;

    private LoadBalancer(Executable program, ReservedPort port, string file) => (_program, _port, _file) = (program, port, file);

    public Uri Address => new($"http://{_port.Authority}");

    /// <param name="lines">Lines that are added to the section of the replicas.</param>
    public static Task<LoadBalancer> StartAsync(IEnumerable<int> ports, string idleTimeout = "60s", params string[] lines) =>
        StartAsync(ports, idleTimeout, "10s", lines);

    public static Task<LoadBalancer> StartAsync(IEnumerable<int> ports, string idleTimeout, string requestTimeout) =>
        StartAsync(ports, idleTimeout, requestTimeout, []);

    private static async Task<LoadBalancer> StartAsync(IEnumerable<int> ports, string idleTimeout, string requestTimeout, string[] lines)
    {
        var file = Path.Combine(Path.GetTempPath(), $"allocator-haproxy-{Guid.NewGuid():n}.cfg");
        await File.WriteAllLinesAsync(file,
        [
            .. await File.ReadAllLinesAsync(Path.Combine(RepositoryRoot.Path, "scripts", "haproxy.cfg")),
            .. lines,
            .. ports.Select((port, i) => $"  server api-{i} 127.0.0.1:{port}"),
        ]);
        var listen = new ReservedPort();
        // The checks are ten times as frequent as in production, so that a replica drains in a tenth of the time.
        var program = Executable.Start(
            Environment.GetEnvironmentVariable("PATH")!.Split(':').Append("/usr/sbin").Select(folder => Path.Combine(folder, "haproxy"))
                .First(File.Exists),
            ["-db", "-f", file],
            new Dictionary<string, string?> { ["LISTEN"] = listen.Authority, ["IDLE_TIMEOUT"] = idleTimeout, ["CHECK_INTERVAL"] = "100ms" });
        var balancer = new LoadBalancer(program, listen, file);
        using var http = new HttpClient { BaseAddress = balancer.Address };
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

    public async ValueTask DisposeAsync()
    {
        await _program.DisposeAsync();
        _port.Dispose();
        File.Delete(_file);
    }
}
