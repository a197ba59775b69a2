using System.Globalization;
using Allocator.Bench.Load;

namespace Allocator.Bench;

/// <summary>
/// Measures the maximum rate of conditional polls of random VMs, alternating with a bare Kestrel that answers an empty 304
/// and with nginx that answers 304 for a static file, so that other load of the machine affects all three.
/// </summary>
internal static class PollThroughput
{
    private static readonly int[] SmallerFleets = [100_000, 1_000];

    /// <summary>The time in which the runtime still compiles hot code.</summary>
    private static readonly TimeSpan UntilCompiled = TimeSpan.FromSeconds(6);

    public static async Task<Table> RunAsync(Database database, Replica largest, bool full)
    {
        // Many short rounds instead of few long ones: other load of the machine lasts for seconds and must affect all three
        // servers of a round equally.
        var (rounds, duration) = full ? (35, TimeSpan.FromSeconds(0.6)) : (13, TimeSpan.FromSeconds(0.3));
        var table = new Table(
            "Poll throughput",
            string.Create(CultureInfo.InvariantCulture, $"""
            Medians of {rounds} rounds of {duration.TotalSeconds:0.#} s each, in turn: bare Kestrel, nginx, polls. Each server has one
            core; the load generator, with {Throughput.Connections} keep-alive connections, and PostgreSQL have the other. All requests
            have the same size. Ratios are medians of the ratios within each round; those by processor time compare the server's time
            per request, which excludes time given to other users of the machine. Latencies are under full load, so they show the length
            of the queue.
            """),
            [
                "VMs", "polls/s", "bare Kestrel/s", "nginx/s", "of bare Kestrel", "… by processor time", "of nginx", "… by processor time",
                "processor per poll", "p50", "p99", "p99.9", "errors", "memory", "steal",
            ]);
        var folder = Directory.CreateTempSubdirectory("allocator-bench-").FullName;
        await using var bare = await Server.StartBareAsync();
        await using var nginx = await Server.StartNginxAsync(folder);
        using var file = PollRequests.OfFile(await ETagAsync(nginx));
        Throughput.Run(bare.Address, file, UntilCompiled);
        // The largest fleet is measured first, because its VMs may have just polled; it is the last in the table.
        var rows = new Stack<string[]>([Measure(largest)]);
        foreach (var vms in SmallerFleets)
        {
            await using var replica = await Replica.StartAsync(database, vms, TimeSpan.FromSeconds(30));
            rows.Push(Measure(replica));
        }
        foreach (var row in rows)
        {
            table.Add(row);
        }
        Directory.Delete(folder, recursive: true);
        return table;

        string[] Measure(Replica replica)
        {
            replica.WarmUp(UntilCompiled);
            var steal = new CpuSteal();
            var results = new List<(Round Bare, Round Nginx, Round Polls)>();
            for (var round = 0; round < rounds; round++)
            {
                results.Add((MeasureRound(bare, replica.Requests), MeasureRound(nginx, file), MeasureRound(replica.Api, replica.Requests)));
                var (b, n, p) = results[^1];
                Console.Error.WriteLine(
                    $"{replica.Vms,9:N0} VMs, round {round + 1}: bare {b.PerSecond:N0}/s {b.Cpu:0.0} µs, nginx {n.PerSecond:N0}/s {n.Cpu:0.0} µs, "
                        + $"polls {p.PerSecond:N0}/s {p.Cpu:0.0} µs");
            }
            return
            [
                $"{replica.Vms:N0}",
                $"{results.Median(r => r.Polls.PerSecond):N0}",
                $"{results.Median(r => r.Bare.PerSecond):N0}",
                $"{results.Median(r => r.Nginx.PerSecond):N0}",
                $"{results.Median(r => r.Polls.PerSecond / r.Bare.PerSecond):0.00}",
                $"{results.Median(r => r.Bare.Cpu / r.Polls.Cpu):0.00}",
                $"{results.Median(r => r.Polls.PerSecond / r.Nginx.PerSecond):0.00}",
                $"{results.Median(r => r.Nginx.Cpu / r.Polls.Cpu):0.00}",
                $"{results.Median(r => r.Polls.Cpu):0.0} µs",
                $"{results.Median(r => r.Polls.Load.Latencies.Percentile(50)):0.00} ms",
                $"{results.Median(r => r.Polls.Load.Latencies.Percentile(99)):0.0} ms",
                $"{results.Median(r => r.Polls.Load.Latencies.Percentile(99.9)):0.0} ms",
                $"{results.Sum(r => r.Polls.Load.Answered - r.Polls.Load.NotModified)}",
                $"{replica.Api.Usage.Resident / 1e6:N0} MB",
                $"{steal}",
            ];
        }

        Round MeasureRound(Server server, PollRequests requests)
        {
            var before = server.Usage.Cpu;
            var load = Throughput.Run(server.Address, requests, duration);
            return new Round(load.PerSecond, (server.Usage.Cpu - before).TotalMicroseconds / load.Answered, load);
        }
    }

    private static async Task<string> ETagAsync(Server server)
    {
        using var http = new HttpClient { BaseAddress = server.Address };
        using var response = await http.GetAsync("/");
        return response.Headers.ETag!.Tag;
    }

    /// <param name="Cpu">The server's processor time per request in microseconds.</param>
    private sealed record Round(double PerSecond, double Cpu, LoadResult Load);
}
