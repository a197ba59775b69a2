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
        (int Vms, TimeSpan Resolution, TimeSpan Warm)[] fleets =
        [
            (100, TimeSpan.FromSeconds(30), MaxAge * 2.2),
            (10_000, TimeSpan.FromSeconds(30), MaxAge * 2.2),
            .. full ? [(300_000, TimeSpan.FromSeconds(30), MaxAge * 4)] : Array.Empty<(int, TimeSpan, TimeSpan)>(),
            // Warm until the first VMs are due to be written for the second time: all of them within a minute, more a second
            // than later, when they have spread. In full with the resolution that docs/scaling.md says of fleets so large.
            full ? (1_000_000, TimeSpan.FromMinutes(2), MaxAge * 8) : (1_000_000, TimeSpan.FromMinutes(1), MaxAge * 4),
        ];
        var duration = full ? TimeSpan.FromMinutes(5) : TimeSpan.FromSeconds(25);
        var load = new Table(
            "Fleets that only poll, every 15–30 s",
            string.Create(CultureInfo.InvariantCulture, $"""
            Measured for {duration.TotalSeconds:0} s after every VM had polled. A latency begins when the poll is due, by the VM's own clock, and ends when the load sees the reply: where many are under way, up to a millisecond late. *Processor* is the share of one core. *Queries* are all that this replica made but the liveness writes: the feed, twice a second, and the sweeper.
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
        long smallest = 0;
        foreach (var (vms, resolution, warm) in fleets)
        {
            var connectionString = await database.CreateFleetAsync(vms);
            await using var api = await Server.StartApiAsync(
                connectionString,
                new("Liveness__Resolution", resolution.ToString()),
                new("Liveness__LostAfter", (4 * resolution).ToString()));
            var peak = api.Usage.PeakResident;
            using var requests = PollRequests.OfFleet(1, vms, 1);
            var simulator = new VmSimulator(api.Address, requests, Connections, MaxAge, obeysHints: true);
            var running = simulator.RunAsync();
            // All have polled once after 30 s, and what they left to be written is written.
            await Task.Delay(warm, TimeProvider.System);

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
            load.Add(
                $"{vms:N0}",
                $"{resolution.TotalSeconds:0} s",
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
                $"{api.Usage.Resident / 1e6:N0} MB",
                $"{(after.Wal - before.Wal) / seconds * 3600 / 1e9:0.0} GB",
                $"{after.LivenessBytes / 1e6:0.0} MB",
                $"{(after.LivenessBytes - before.LivenessBytes) / 1e6:0.0} MB",
                $"{after.LivenessVacuums}",
                $"{steal}");
            var memory = api.Usage.Resident;
            if (smallest == 0)
            {
                smallest = memory;
            }
            var (known, burst) = vms > Changed ? await BurstAsync(connectionString, api, simulator) : (null, null);
            start.Add(
                $"{vms:N0}",
                $"{api.TimeToReady.TotalSeconds:0.0} s",
                $"{peak / 1e6:N0} MB",
                $"{memory / 1e6:N0} MB",
                memory == smallest ? "–" : $"{(memory - smallest) / (double)vms:N0} B",
                known is { } time ? $"{time.TotalSeconds:0.0} s" : "–",
                burst is null ? "–" : $"{burst.Latencies.Percentile(99):0.0} ms",
                burst is null ? "–" : $"{burst.Errors}");
            simulator.Stop();
            await running;
            Console.Error.WriteLine($"{vms,9:N0} VMs polling: {totals.Latencies.Count / seconds:N0}/s, p99 {totals.Latencies.Percentile(99):0.0} ms, steal {steal}");
        }
        return [load, start];
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
}
