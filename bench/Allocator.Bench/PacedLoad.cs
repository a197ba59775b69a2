using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Allocator.Api.Data;
using Allocator.Bench.Load;
using Npgsql;

namespace Allocator.Bench;

/// <summary>
/// Measures fleets that only poll, each VM every 15–30 s on its own clock: the cost for the replica and the database, the
/// writes of liveness, the start of a replica, and the effect of 100,000 simultaneous changes.
/// </summary>
internal static class PacedLoad
{
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(15);
    private const int Connections = 256;
    private const int Changed = 100_000;
    private static readonly TimeSpan DefaultInterval = TimeSpan.FromSeconds(30);

    /// <summary>The median delay above which the load generator is too slow.</summary>
    private static readonly TimeSpan Behind = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan UntilAllPolled = MaxAge * 2.2;
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(3);

    public static async Task<Table[]> RunAsync(Database database, SharedResource<Replica> million, bool full)
    {
        var duration = full ? TimeSpan.FromMinutes(2) : TimeSpan.FromSeconds(20);
        var load = new Table(
            "Fleets that only poll, every 15–30 s",
            string.Create(CultureInfo.InvariantCulture, $"""
            Measured for {duration.TotalSeconds:0} s after every VM had polled; the two small fleets at the same time, each with its own
            replica and database server. A latency starts when the poll is due by the VM's own clock, and ends when the load generator
            sees the reply: with many polls in flight up to a millisecond late. *Processor* is the share of one core. *Queries* are all
            queries of this replica except the liveness writes: the feed and the sweeper.
            """),
            [
                "VMs", "`Resolution`", "polls/s", "p50", "p99", "p99.9", "errors", "processor, replica", "processor, PostgreSQL", "queries/s",
                    "liveness writes/s", "… rows/s",
                "connections", "memory", "WAL per hour", "liveness table", "… growth", "vacuums", "steal",
            ]);
        var start = new Table(
            "Start and a burst of changes",
            $"""
            *Ready* is the time from the start of the process to the first 200 of `/health/ready`. *Burst*: one statement holds
            {Changed:N0} VMs while the whole fleet polls; *known* is the time from its commit until the replica answers with the new
            state; then each of these VMs gets a body instead of a `304`.
            """,
            ["VMs", "ready", "peak memory at start", "memory after polls", "per VM beyond the smallest fleet", "burst known after",
                "p99 in the 10 s after", "errors"]);

        var measured = new List<Measured>();
        await using (var one = await Database.StartAsync())
        await using (var other = await Database.StartAsync())
        {
            await using Replica first = await Replica.StartAsync(one, 100, DefaultInterval),
                second = await Replica.StartAsync(other, 10_000, DefaultInterval);
            // By then the fleet of a million is enrolled too.
            var warm = Task.WhenAll(Task.Delay(UntilAllPolled + Look, TimeProvider.System), database.CreateFleetAsync(1_000_000));
            measured.AddRange(await Task.WhenAll(MeasureAsync(first, warm, duration), MeasureAsync(second, warm, duration)));
        }
        if (full)
        {
            await using var replica = await Replica.StartAsync(database, 300_000, DefaultInterval);
            measured.Add(await MeasureAsync(replica, Task.Delay(2 * DefaultInterval, TimeProvider.System), duration));
        }
        // Waits until liveness is due to be written for the second time. The first writes all fall within Resolution, at a
        // higher rate than later.
        var largest = await million.GetAsync();
        measured.Add(await MeasureAsync(largest, Task.Delay(largest.Resolution, TimeProvider.System), duration));
        foreach (var result in measured)
        {
            load.Add(result.Load);
            start.Add(result.Start(measured[0].Memory));
        }
        return [load with { Note = load.Note + string.Concat(measured.Select(result => result.Extrapolated)) }, start];
    }

    /// <param name="warm">A task that completes when every VM has polled and their liveness is written.</param>
    private static async Task<Measured> MeasureAsync(Replica replica, Task warm, TimeSpan duration)
    {
        var (database, connectionString, api) = (replica.Database, replica.ConnectionString, replica.Api);
        var polling = replica.Vms;
        var (simulator, running) = Start();
        await Task.Delay(UntilAllPolled, TimeProvider.System);
        if (await FewerAsync(simulator) is { } fewer)
        {
            simulator.Stop();
            await running;
            polling = fewer;
            (simulator, running) = Start();
        }
        await warm;

        var steal = new CpuSteal();
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
            polling == replica.Vms ? $"{polling:N0}" : $"{replica.Vms:N0}, of which {polling:N0} poll",
            $"{replica.Resolution.TotalSeconds:0} s",
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
        Console.Error.WriteLine(
            $"{polling,9:N0} VMs polling: {totals.Latencies.Count / seconds:N0}/s, p99 {totals.Latencies.Percentile(99):0.0} ms, steal {steal}");
        var (known, burst) = replica.Vms > Changed ? await BurstAsync(replica, simulator) : (null, null);
        simulator.Stop();
        await running;
        for (var vm = 0; burst is not null && vm < Changed; vm++)
        {
            // Some VMs had not polled yet.
            replica.Requests.SetGeneration(vm, 2);
        }
        var extrapolated = polling == replica.Vms
            ? ""
            : $"\nThe pace of {replica.Vms:N0} VMs cannot be kept here, so {polling:N0} poll; all of them, at the same processor time per poll, "
                + $"would take {apiCpu.TotalSeconds / seconds * replica.Vms / polling:0 %} of the replica's core.";
        return new Measured(load, extrapolated, memory, smallest =>
        [
            $"{replica.Vms:N0}",
            $"{api.TimeToReady.TotalSeconds:0.0} s",
            $"{replica.PeakAtStart / 1e6:N0} MB",
            $"{memory / 1e6:N0} MB",
            memory == smallest ? "–" : $"{(memory - smallest) / (double)replica.Vms:N0} B",
            known is { } time ? $"{time.TotalSeconds:0.0} s" : "–",
            burst is null ? "–" : $"{burst.Latencies.Percentile(99):0.0} ms",
            burst is null ? "–" : $"{burst.Errors}",
        ]);

        (VmSimulator Simulator, Task Running) Start()
        {
            var simulator = new VmSimulator(api.Address, replica.Requests, Connections, MaxAge, obeysHints: true, polling);
            return (simulator, simulator.RunAsync());
        }
    }

    /// <summary>Returns how many VMs this machine can pace, or null if all.</summary>
    private static async Task<int?> FewerAsync(VmSimulator simulator)
    {
        simulator.Reset();
        await Task.Delay(Look, TimeProvider.System);
        var totals = simulator.Reset();
        if (totals.Latencies.Percentile(50) < Behind.TotalMilliseconds)
        {
            return null;
        }
        // Three quarters of the throughput under full load.
        var pace = totals.Latencies.Count / Look.TotalSeconds * 0.75;
        return Math.Max(Changed, (int)(pace * 1.5 * MaxAge.TotalSeconds / 50_000) * 50_000);
    }

    private static async Task<(TimeSpan? Known, VmTotals? Totals)> BurstAsync(Replica replica, VmSimulator simulator)
    {
        await using var database = NpgsqlDataSource.Create(replica.ConnectionString + ";Command Timeout=120");
        using var http = new HttpClient { BaseAddress = replica.Api.Address };
        simulator.Reset();
        await database.Command(
            "update vms set hold = 'held' where hostname in (select 'vm-' || i from generate_series(1, $1) i)", Changed).ExecuteAsync(default);
        var committed = Stopwatch.GetTimestamp();
        await using var last = database.Command("select hostname from vms where hold = 'held' order by hostname desc limit 1");
        var hostname = (string)(await last.ExecuteScalarAsync())!;
        HttpStatusCode answer;
        do
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            using var request = new HttpRequestMessage(HttpMethod.Get, $"/assignment/{hostname}");
            request.Headers.Authorization =
                new AuthenticationHeaderValue("Bearer", FleetVms.Token(int.Parse(hostname[3..], CultureInfo.InvariantCulture)));
            request.Headers.IfNoneMatch.Add(new EntityTagHeaderValue("\"g1\""));
            using var response = await http.SendAsync(request);
            answer = response.StatusCode;
        }
        while (answer == HttpStatusCode.NotModified && Stopwatch.GetElapsedTime(committed) < TimeSpan.FromMinutes(1));
        var known = Stopwatch.GetElapsedTime(committed);
        await Task.Delay(TimeSpan.FromSeconds(10), TimeProvider.System);
        return (known, simulator.Reset());
    }

    /// <param name="Load">The row in the first table.</param>
    /// <param name="Extrapolated">A remark if not all VMs could poll.</param>
    /// <param name="Start">Returns the row of the second table, given the memory of the replica with the smallest fleet.</param>
    private sealed record Measured(string[] Load, string Extrapolated, long Memory, Func<long, string[]> Start);
}
