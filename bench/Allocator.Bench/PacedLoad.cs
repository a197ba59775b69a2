using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Allocator.Api.Data;
using Allocator.Bench.Load;
using Npgsql;

namespace Allocator.Bench;

/// <summary>
/// Fleets that do nothing but poll, each VM every 15–30 s on its own clock: what the replica and the database pay, how
/// the liveness is written, how soon a replica starts, and what 100,000 changes at once do to it.
/// </summary>
internal static class PacedLoad
{
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(15);
    private const int Connections = 256;
    private const int Changed = 100_000;

    public static async Task<Table[]> RunAsync(Database database, bool full)
    {
        Fleet[] small = [new(100, TimeSpan.FromSeconds(30), MaxAge * 2.2), new(10_000, TimeSpan.FromSeconds(30), MaxAge * 2.2)];
        Fleet[] large =
        [
            .. full ? [new(300_000, TimeSpan.FromSeconds(30), MaxAge * 4)] : Array.Empty<Fleet>(),
            // Warm until the first VMs are due to be written for the second time: all of them within a minute, more a second
            // than later, when they have spread. In full with the resolution that docs/scaling.md says of fleets so large.
            full ? new(1_000_000, TimeSpan.FromMinutes(2), MaxAge * 8) : new(1_000_000, TimeSpan.FromMinutes(1), MaxAge * 4),
        ];
        var duration = full ? TimeSpan.FromMinutes(4) : TimeSpan.FromSeconds(25);
        var load = new Table(
            "Fleets that only poll, every 15–30 s",
            string.Create(CultureInfo.InvariantCulture, $"""
            Measured for {duration.TotalSeconds:0} s after every VM had polled; the two small fleets at the same time, each with a replica and a database server of its own. A latency begins when the poll is due, by the VM's own clock, and ends when the load sees the reply: where many are under way, up to a millisecond late. *Processor* is the share of one core. *Queries* are all that this replica made but the liveness writes: the feed and the sweeper.
            """),
            [
                "VMs", "`Resolution`", "polls/s", "p50", "p99", "p99.9", "errors", "processor, replica", "processor, PostgreSQL", "queries/s", "liveness writes/s", "… rows/s",
                "connections", "memory", "WAL per hour", "liveness table", "… growth", "vacuums", "steal",
            ]);
        var start = new Table(
            "Start, and a burst of changes",
            $"""
            *Ready* from the start of the process to the first 200 of `/health/ready`. *Burst*: {Changed:N0} VMs are put on hold by one statement while the whole fleet polls; *known* is the time from its commit until the replica answers with the new state; then every one of these VMs gets a body instead of a `304`.
            """,
            ["VMs", "ready", "peak memory at start", "memory after polls", "per VM beyond the smallest fleet", "burst known after", "p99 in the 10 s after", "errors"]);

        var measured = new List<Measured>();
        await using (var one = await Database.StartAsync())
        await using (var other = await Database.StartAsync())
        {
            await using Replica first = await StartAsync(one, small[0]), second = await StartAsync(other, small[1]);
            measured.AddRange(await Task.WhenAll(MeasureAsync(first, duration), MeasureAsync(second, duration)));
        }
        foreach (var fleet in large)
        {
            await using var replica = await StartAsync(database, fleet);
            measured.Add(await MeasureAsync(replica, duration));
        }
        foreach (var result in measured)
        {
            load.Add(result.Load);
            start.Add(result.Start(measured[0].Memory));
        }
        return [load, start];
    }

    private static async Task<Replica> StartAsync(Database database, Fleet fleet)
    {
        var connectionString = await database.CreateFleetAsync(fleet.Vms);
        var api = await Server.StartApiAsync(
            connectionString,
            new("Liveness__Resolution", fleet.Resolution.ToString()),
            new("Liveness__LostAfter", (4 * fleet.Resolution).ToString()));
        return new Replica(fleet, database, connectionString, api);
    }

    private static async Task<Measured> MeasureAsync(Replica replica, TimeSpan duration)
    {
        var (fleet, database, connectionString, api) = replica;
        var peak = api.Usage.PeakResident;
        using var requests = PollRequests.OfFleet(1, fleet.Vms, 1);
        var simulator = new VmSimulator(api.Address, requests, Connections, MaxAge, obeysHints: true);
        var running = simulator.RunAsync();
        // All have polled once after 30 s, and what they left to be written is written.
        await Task.Delay(fleet.Warm, TimeProvider.System);

        var steal = new Steal();
        var before = await Database.TotalsAsync(connectionString);
        var (apiCpu, postgresCpu, started) = (api.Usage.Cpu, database.Usage.Cpu, Stopwatch.GetTimestamp());
        simulator.Reset();
        await Task.Delay(duration, TimeProvider.System);
        var totals = simulator.Reset();
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        (apiCpu, postgresCpu) = (api.Usage.Cpu - apiCpu, database.Usage.Cpu - postgresCpu);
        var after = await Database.TotalsAsync(connectionString);
        var connections = await Database.ConnectionsAsync(connectionString);
        var liveness = after.LivenessStatements - before.LivenessStatements;
        var memory = api.Usage.Resident;
        string[] load =
        [
            $"{fleet.Vms:N0}",
            $"{fleet.Resolution.TotalSeconds:0} s",
            $"{totals.Latencies.Count / seconds:N0}",
            $"{totals.Latencies.Percentile(50):0.0} ms",
            $"{totals.Latencies.Percentile(99):0.0} ms",
            $"{totals.Latencies.Percentile(99.9):0.0} ms",
            $"{totals.Errors}",
            $"{apiCpu.TotalSeconds / seconds:0.0 %}",
            $"{postgresCpu.TotalSeconds / seconds:0.0 %}",
            $"{(after.Statements - before.Statements - liveness) / seconds:0.0}",
            $"{liveness / seconds:0.0}",
            $"{(after.LivenessRows - before.LivenessRows) / seconds:N0}",
            $"{connections}",
            $"{memory / 1e6:N0} MB",
            $"{(after.Wal - before.Wal) / seconds * 3600 / 1e9:0.0} GB",
            $"{after.LivenessBytes / 1e6:0.0} MB",
            $"{(after.LivenessBytes - before.LivenessBytes) / 1e6:0.0} MB",
            $"{after.LivenessVacuums}",
            $"{steal}",
        ];
        Console.Error.WriteLine($"{fleet.Vms,9:N0} VMs polling: {totals.Latencies.Count / seconds:N0}/s, p99 {totals.Latencies.Percentile(99):0.0} ms, steal {steal}");
        var (known, burst) = fleet.Vms > Changed ? await BurstAsync(connectionString, api, simulator) : (null, null);
        simulator.Stop();
        await running;
        return new Measured(load, memory, smallest =>
        [
            $"{fleet.Vms:N0}",
            $"{api.TimeToReady.TotalSeconds:0.0} s",
            $"{peak / 1e6:N0} MB",
            $"{memory / 1e6:N0} MB",
            memory == smallest ? "–" : $"{(memory - smallest) / (double)fleet.Vms:N0} B",
            known is { } time ? $"{time.TotalSeconds:0.0} s" : "–",
            burst is null ? "–" : $"{burst.Latencies.Percentile(99):0.0} ms",
            burst is null ? "–" : $"{burst.Errors}",
        ]);
    }

    private static async Task<(TimeSpan? Known, VmTotals? Totals)> BurstAsync(string connectionString, Server api, VmSimulator simulator)
    {
        await using var database = NpgsqlDataSource.Create(connectionString + ";Command Timeout=120");
        using var http = new HttpClient { BaseAddress = api.Address };
        simulator.Reset();
        await database.Command(
            "update vms set hold = 'held' where hostname in (select hostname from vms order by hostname limit $1)", Changed).ExecuteAsync(default);
        var committed = Stopwatch.GetTimestamp();
        await using var last = database.Command("select hostname from vms where hold = 'held' order by hostname desc limit 1");
        var hostname = (string)(await last.ExecuteScalarAsync())!;
        HttpStatusCode answer;
        do
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            using var request = new HttpRequestMessage(HttpMethod.Get, $"/assignment/{hostname}");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", FleetVms.Token(int.Parse(hostname[3..], CultureInfo.InvariantCulture)));
            request.Headers.IfNoneMatch.Add(new EntityTagHeaderValue("\"g1\""));
            using var response = await http.SendAsync(request);
            answer = response.StatusCode;
        }
        while (answer == HttpStatusCode.NotModified && Stopwatch.GetElapsedTime(committed) < TimeSpan.FromMinutes(1));
        var known = Stopwatch.GetElapsedTime(committed);
        await Task.Delay(TimeSpan.FromSeconds(10), TimeProvider.System);
        return (known, simulator.Reset());
    }

    /// <param name="Warm">How long it polls before it is measured.</param>
    private sealed record Fleet(int Vms, TimeSpan Resolution, TimeSpan Warm);

    private sealed record Replica(Fleet Fleet, Database Database, string ConnectionString, Server Api) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => Api.DisposeAsync();
    }

    /// <param name="Load">Its row of the first table.</param>
    /// <param name="Start">Its row of the second, given the memory of the smallest fleet's replica.</param>
    private sealed record Measured(string[] Load, long Memory, Func<long, string[]> Start);
}
