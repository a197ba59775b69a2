using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Allocator.Api.Data;
using Npgsql;

namespace Allocator.Bench;

/// <summary>
/// Measures the design of the predecessor in an equivalent program: each VM has its own database connection in LISTEN, and
/// each assignment is an UPDATE and a NOTIFY that wakes all of them. The same numbers of polling VMs are measured too.
/// </summary>
internal static class ListenNotify
{
    private const int ConnectionsBesideVms = 10;
    private const double AssignmentsPerSecond = 10;

    /// <summary>
    /// Disables tiered compilation for both designs. A few hundred requests are too few for it to finish, and the compiler
    /// would use most of the measured time.
    /// </summary>
    private static readonly KeyValuePair<string, string> CompileOnce = new("DOTNET_TieredCompilation", "0");

    private static readonly int[] Fleets = [50, 90, 200, 1000];
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    public static async Task<Table> RunAsync(bool full)
    {
        var extent = full ? new Extent(80, TimeSpan.FromSeconds(4)) : new Extent(30, TimeSpan.FromSeconds(1));
        var listening = await ListenAsync(extent);
        var polling = await PollAsync(extent);

        var table = new Table(
            "Assignments delivered by LISTEN/NOTIFY and by polls",
            string.Create(CultureInfo.InvariantCulture, $"""
            {extent.Assignments} assignments for each row, {AssignmentsPerSecond:0} per second; processor time and memory are those of
            the processes themselves, independent of the machine's other load. Both programs run without tiered compilation, since so
            few requests would mostly measure the compiler.
            Processor time per assignment is the time beyond idling; *idle* is the share of one processor that PostgreSQL and the
            program take together without requests, the smaller figure of {extent.Idle.TotalSeconds:0.#} s before and after. *Program* is the
            process that holds the VMs' LISTEN connections, or the replica.
            *Requested → notified* ends when the right VM knows; *answered → notified* starts with the commit or the `202`, and is
            negative if the VM knew first. p50 / p99. *Other commits* are a hundred unrelated commits of one row per second.
            An assignment by LISTEN/NOTIFY is only one transaction. An assignment by polls is the whole visit: request, claim,
            `connected` (which is also the receipt), release and `clean`, with authentication and events. The pool is in rush all the
            time, also when idle: its free VMs poll every 2–4 s.
            """),
            [
                "VMs", "delivered by", "VMs connected", "database connections", "memory of their backends", "with page tables",
                    "PostgreSQL per assignment",
                "program per assignment", "notified", "requested → notified", "answered → notified",
                    "other commits, idle", "other commits, assigning", "idle",
            ]);
        foreach (var vms in Fleets)
        {
            if (listening.Default.TryGetValue(vms, out var withDefaults))
            {
                table.Add(Cells(vms, "LISTEN/NOTIFY, default settings", withDefaults));
            }
            if (listening.Raised.TryGetValue(vms, out var raised))
            {
                table.Add(Cells(vms, $"LISTEN/NOTIFY, max_connections={MaxConnections(vms)}", raised));
            }
            table.Add(Cells(vms, "polls", polling[vms]));
        }
        return table;
    }

    private static string[] Cells(int vms, string by, Row row) => row.Figures is { } figures
        ? [
            $"{vms:N0}", by, $"{row.Connected:N0}", $"{figures.Connections:N0}", $"{figures.BackendMemory / 1e6:N0} MB",
            $"{(figures.BackendMemory + figures.BackendPageTables) / 1e6:N0} MB",
            $"{figures.DatabaseCpu.TotalMilliseconds:N1} ms", $"{figures.ProgramCpu.TotalMilliseconds:N1} ms",
            $"{figures.SinceAsked.Count} of {figures.Assignments}", figures.SinceAsked.ToString(), figures.SinceAnswered.ToString(),
                figures.CommitsIdle.ToString(), figures.CommitsAssigning.ToString(),
            $"{figures.IdleCpu * 100:0.0} %",
        ]
        : [$"{vms:N0}", by, $"{row.Connected:N0}", "–", "–", "–", "–", "–", "–", "–", "–", "–", "–", "–"];

    private static int MaxConnections(int vms) => vms + ConnectionsBesideVms;

    /// <summary>Measures with the default settings as long as they suffice, then with as many connections as the VMs need.</summary>
    private static async Task<(Dictionary<int, Row> Default, Dictionary<int, Row> Raised)> ListenAsync(Extent extent)
    {
        var withDefaults = new Dictionary<int, Row>();
        var raised = new Dictionary<int, Row>();
        await using (var database = await Database.StartAsync())
        {
            // The first row with too many VMs shows how many can connect.
            foreach (var vms in Fleets.TakeWhile(_ => withDefaults.Values.All(row => row.Figures is not null)))
            {
                withDefaults[vms] = await ListenAsync(database, vms, extent);
            }
        }
        foreach (var vms in Fleets.Where(vms => withDefaults.GetValueOrDefault(vms)?.Figures is null))
        {
            await using var database = await Database.StartAsync($"max_connections={MaxConnections(vms)}");
            raised[vms] = await ListenAsync(database, vms, extent);
        }
        return (withDefaults, raised);
    }

    /// <returns>A row without figures if not all VMs could connect.</returns>
    private static async Task<Row> ListenAsync(Database database, int vms, Extent extent)
    {
        var connectionString = await database.CreateAsync($"listen_{vms}");
        await CreateMachinesAsync(connectionString, vms);
        // The role is not a superuser, for whom PostgreSQL reserves its last connections.
        var asProgram = new NpgsqlConnectionStringBuilder(connectionString) { Username = "program", Timeout = 60 };
        var asked = new ConcurrentDictionary<string, TaskCompletionSource<long>>();
        await using var listening = await ListeningVms.StartAsync(
            new NpgsqlConnectionStringBuilder(asProgram.ConnectionString) { Pooling = false, ApplicationName = "listening-vms" }.ConnectionString,
            vms,
            (hostname, at) => asked.GetValueOrDefault(hostname)?.TrySetResult(at),
            CompileOnce);
        Progress($"LISTEN, {vms:N0} VMs: {listening.Connected:N0} connected");
        if (listening.Connected < vms)
        {
            return new Row(listening.Connected, null);
        }
        await using var assigning = NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(asProgram.ConnectionString) { MaxPoolSize = 2, ApplicationName = "assigning" }.ConnectionString);
        // This warms everything up: all VMs receive each notification.
        for (var heard = 0; heard < 1000; heard += vms)
        {
            await AssignAsync();
        }
        var figures = await MeasureAsync(connectionString, listening.ProcessId, AssignAsync, extent);
        return new Row(listening.Connected, figures);

        async Task<PickupTimes?> AssignAsync()
        {
            string hostname;
            var notified = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
            do
            {
                hostname = $"vm-{Random.Shared.Next(1, vms + 1)}";
            }
            while (!asked.TryAdd(hostname, notified));
            var started = Stopwatch.GetTimestamp();
            await using (var connection = await assigning.OpenConnectionAsync())
            {
                await using var transaction = await connection.BeginTransactionAsync();
                await using var assign = new NpgsqlBatch(connection, transaction)
                {
                    BatchCommands =
                    {
                        new NpgsqlBatchCommand(
                            "update machines set email = 'ada@example.org' where hostname = $1") { Parameters = { new() { Value = hostname } } },
                        new NpgsqlBatchCommand($"select pg_notify('{ListeningVms.Channel}', $1)") { Parameters = { new() { Value = hostname } } },
                    },
                };
                await assign.ExecuteNonQueryAsync();
                await transaction.CommitAsync();
            }
            var committed = Stopwatch.GetTimestamp();
            try
            {
                var at = await notified.Task.WaitAsync(Timeout, TimeProvider.System);
                return new PickupTimes(Stopwatch.GetElapsedTime(started, at), Stopwatch.GetElapsedTime(committed, at));
            }
            catch (TimeoutException)
            {
                return null;
            }
            finally
            {
                asked.TryRemove(hostname, out _);
            }
        }
    }

    private static async Task CreateMachinesAsync(string connectionString, int vms)
    {
        await using var database = NpgsqlDataSource.Create(connectionString + ";Pooling=false");
        await database.Command(
            """
            do $$
            begin
                create role program login;
            exception when duplicate_object then
                null;
            end
            $$
            """).ExecuteAsync(default);
        await database.Command("create table machines (hostname text primary key, email text)").ExecuteAsync(default);
        await database.Command("grant select, update on machines to program").ExecuteAsync(default);
        await database.Command("insert into machines (hostname) select 'vm-' || i from generate_series(1, $1) i", vms).ExecuteAsync(default);
    }

    /// <summary>One replica with a growing fleet, so that it is warmed up only once.</summary>
    private static async Task<Dictionary<int, Row>> PollAsync(Extent extent)
    {
        const int WarmUp = 60;
        await using var database = await Database.StartAsync();
        var connectionString = await database.CreateFleetAsync(Fleets[0]);
        await using var api = await Server.StartApiAsync(connectionString, CompileOnce);
        await using var polling = new PollingVms(api.Address);
        polling.GrowTo(Fleets[0]);
        await Task.WhenAll(Enumerable.Range(0, 15).Select(async _ =>
        {
            for (var asked = 0; asked < WarmUp / 15; asked++)
            {
                await polling.AskAsync(Timeout);
            }
        }));

        var rows = new Dictionary<int, Row>();
        foreach (var vms in Fleets)
        {
            if (rows.Count > 0)
            {
                await using var growing = NpgsqlDataSource.Create(connectionString + ";Pooling=false");
                await Database.AddVmsAsync(growing, rows.Keys.Max() + 1, vms);
                polling.GrowTo(vms);
            }
            // Waits until the new VMs have polled and the current visits have ended.
            await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
            var polls = polling.Polls;
            var started = Stopwatch.GetTimestamp();
            var figures = await MeasureAsync(connectionString, api.ProcessId, () => polling.AskAsync(Timeout), extent);
            Progress($"polls, {vms:N0} VMs: {(polling.Polls - polls) / Stopwatch.GetElapsedTime(started).TotalSeconds:0}/s, {polling.Errors} errors "
                + $"{polling.FirstError}");
            rows[vms] = new Row(vms, figures);
        }
        return polling.Errors == 0 ? rows
            : throw new InvalidOperationException($"{polling.Errors} requests of VMs or people failed; the first: {polling.FirstError}");
    }

    /// <param name="assign">Makes one assignment; returns its latencies, or null if the VM never received it.</param>
    private static async Task<Figures> MeasureAsync(string connectionString, int program, Func<Task<PickupTimes?>> assign, Extent extent)
    {
        var own = new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, ApplicationName = "bench" }.ConnectionString;
        await using var writes = await UnrelatedWrites.StartAsync(own);
        await using var looking = new NpgsqlConnection(own);
        await looking.OpenAsync();
        var databaseUsage = ProcessUsage.OfTree(ProcessUsage.ParentOf(looking.ProcessID));
        var programUsage = ProcessUsage.Of(program);
        await SettleAsync(programUsage);
        writes.Take();

        var first = Now();
        await Task.Delay(extent.Idle, TimeProvider.System);
        var begin = Now();
        var commitsIdle = writes.Take();
        var latencies = await AssignAsync(assign, extent.Assignments);
        var end = Now();
        var commitsAssigning = writes.Take();
        await Task.Delay(extent.Idle, TimeProvider.System);
        var last = Now();

        var backends = await BackendsAsync(looking);
        var databaseIdle = Idle(moment => moment.DatabaseCpu);
        var programIdle = Idle(moment => moment.ProgramCpu);
        var elapsed = Stopwatch.GetElapsedTime(begin.At, end.At);
        return new Figures(
            extent.Assignments, latencies.SinceAsked, latencies.SinceAnswered, commitsIdle, commitsAssigning,
            (end.DatabaseCpu - begin.DatabaseCpu - (databaseIdle * elapsed)) / extent.Assignments,
            (end.ProgramCpu - begin.ProgramCpu - (programIdle * elapsed)) / extent.Assignments,
            databaseIdle + programIdle,
            backends.Count, backends.Sum(backend => backend.Proportional), backends.Sum(backend => backend.PageTables));

        Moment Now() => new(Stopwatch.GetTimestamp(), databaseUsage.Cpu, programUsage.Cpu);

        // Occasional work such as garbage collection adds to it: the smaller figure is closer to idle.
        double Idle(Func<Moment, TimeSpan> cpu) => Math.Min(Share(cpu, first, begin), Share(cpu, end, last));

        static double Share(Func<Moment, TimeSpan> cpu, Moment from, Moment to) => (cpu(to) - cpu(from)) / Stopwatch.GetElapsedTime(from.At, to.At);
    }

    /// <summary>Waits until the load is constant: a program that was busy cleans up for a while.</summary>
    private static async Task SettleAsync(ProcessUsage program)
    {
        var interval = TimeSpan.FromSeconds(0.5);
        var share = 1.0;
        for (var left = 20; left > 0; left--)
        {
            var (cpu, at) = (program.Cpu, Stopwatch.GetTimestamp());
            await Task.Delay(interval, TimeProvider.System);
            var before = share;
            share = (program.Cpu - cpu) / Stopwatch.GetElapsedTime(at);
            if (Math.Abs(share - before) < 0.02)
            {
                return;
            }
        }
    }

    /// <summary>Starts requests at fixed times, even if an earlier one is late.</summary>
    private static async Task<(Latencies SinceAsked, Latencies SinceAnswered)> AssignAsync(Func<Task<PickupTimes?>> assign, int assignments)
    {
        var (sinceAsked, sinceAnswered) = (new Latencies(), new Latencies());
        using var pace = new PeriodicTimer(TimeSpan.FromSeconds(1 / AssignmentsPerSecond), TimeProvider.System);
        var underWay = new List<Task>();
        while (underWay.Count < assignments && await pace.WaitForNextTickAsync())
        {
            underWay.Add(OneAsync());
        }
        await Task.WhenAll(underWay);
        return (sinceAsked, sinceAnswered);

        async Task OneAsync()
        {
            if (await assign() is { } latency)
            {
                sinceAsked.Add(latency.SinceAsked);
                sinceAnswered.Add(latency.SinceAnswered);
            }
        }
    }

    /// <summary>The connections that the design needs, without those of the bench.</summary>
    private static async Task<List<ProcessUsage>> BackendsAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand(
            """
            select pid
            from pg_stat_activity
            where datname = current_database() and backend_type = 'client backend' and application_name <> 'bench'
            """,
            connection);
        await using var row = await command.ExecuteReaderAsync();
        var backends = new List<ProcessUsage>();
        while (await row.ReadAsync())
        {
            backends.Add(ProcessUsage.Of(row.GetInt32(0)));
        }
        return backends;
    }

    private static void Progress(string text) => Console.Error.WriteLine(text);

    /// <param name="Idle">The time without requests, to measure the idle cost.</param>
    private sealed record Extent(int Assignments, TimeSpan Idle);

    private sealed record Row(int Connected, Figures? Figures);

    private readonly record struct Moment(long At, TimeSpan DatabaseCpu, TimeSpan ProgramCpu);

    /// <param name="DatabaseCpu">Processor time of PostgreSQL per assignment.</param>
    /// <param name="ProgramCpu">Processor time of the program that serves the VMs, per assignment.</param>
    /// <param name="IdleCpu">Idle load of both as a share of one processor.</param>
    /// <param name="BackendMemory">Proportional set size in bytes.</param>
    private sealed record Figures(
        int Assignments,
        Latencies SinceAsked,
        Latencies SinceAnswered,
        Latencies CommitsIdle,
        Latencies CommitsAssigning,
        TimeSpan DatabaseCpu,
        TimeSpan ProgramCpu,
        double IdleCpu,
        int Connections,
        long BackendMemory,
        long BackendPageTables);
}
