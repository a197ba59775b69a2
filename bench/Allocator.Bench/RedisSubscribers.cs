using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace Allocator.Bench;

/// <summary>
/// Measures the cost of an alternative design: each VM has a connection to Redis, subscribed to its own channel, and an
/// assignment is a message to that channel.
/// </summary>
internal sealed class RedisSubscribers : IAsyncDisposable
{
    private const double AssignmentsPerSecond = 250;

    private static readonly int[] Fleets = [50, 90, 200, 1000];
    private static readonly TimeSpan Away = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(10);

    private readonly string _folder;
    private readonly Process _redis;
    private readonly int _port;

    private RedisSubscribers(string folder, Process redis, int port) => (_folder, _redis, _port) = (folder, redis, port);

    public static async Task<Table> RunAsync(bool full)
    {
        var assignments = full ? 2500 : 500;
        var idle = TimeSpan.FromSeconds(full ? 6 : 1);
        var table = new Table(
            "Assignments delivered by Redis",
            string.Create(CultureInfo.InvariantCulture, $"""
            Each VM has one subscriber connection to its own channel; redis-server runs on the same machine without persistence, with
            `maxclients` raised above the number of VMs (the default is 10,000, publishers included).
            {assignments:N0} assignments for each row, {AssignmentsPerSecond:0} per second. Redis' processor time per assignment is the
            time beyond {idle.TotalSeconds:0} s without requests; *VMs and publisher* are one process, the bench itself. *PUBLISH* ends
            with Redis' reply, *notified after* runs from the same start until the VM knows, p50 / p99.
            *Memory* is what Redis reports for its subscribers: right after they connected, and after the assignments, when it has freed
            most buffers of idle subscribers.
            *Lost, disconnected*: a tenth of the VMs disconnect, each is sent an assignment, they subscribe again {Away.TotalSeconds:0}
            s later; the figures are how many never got theirs, and how many receivers Redis reported to the publisher. *Lost,
            vanished*: the same with VMs that vanish without closing the connection.
            Each process may have {ProcessUsage.Of(Environment.ProcessId).FileDescriptorLimit:N0} descriptors here. Kernel memory per
            socket is in none of the figures.
            """),
            [
                "VMs", "Redis memory at first", "per VM", "later", "per VM", "Redis resident", "Redis descriptors", "VMs' descriptors",
                    "Redis per assignment", "VMs and publisher per assignment",
                "PUBLISH", "notified after", "notified", "lost, disconnected", "lost, vanished", "Redis idle",
            ]);
        await using (var redis = await StartAsync(200))
        {
            // This compiles hot code before the measurement.
            await redis.MeasureAsync(50, 1000, TimeSpan.FromSeconds(0.5));
        }
        foreach (var vms in full ? [.. Fleets, 10_000] : Fleets)
        {
            await using var redis = await StartAsync(vms + 100);
            table.Add(await redis.MeasureAsync(vms, assignments, idle));
            Console.Error.WriteLine(string.Join("  ", table.Rows[^1]));
        }
        return table;
    }

    public async ValueTask DisposeAsync()
    {
        _redis.Kill();
        await _redis.WaitForExitAsync();
        _redis.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task<RedisSubscribers> StartAsync(int clients)
    {
        var folder = Directory.CreateTempSubdirectory("allocator-bench-redis-").FullName;
        var port = Server.FreePort();
        var process = Process.Start(new ProcessStartInfo("redis-server",
        [
            "--bind", "127.0.0.1", "--port", $"{port}", "--dir", folder, "--save", "", "--appendonly", "no",
            "--maxclients", $"{clients}", "--logfile", Path.Combine(folder, "log"),
        ]))!;
        var redis = new RedisSubscribers(folder, process, port);
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                using var connection = await RedisConnection.OpenAsync(port);
                await connection.CallAsync("PING");
                return redis;
            }
            catch (Exception e) when (e is SocketException or IOException && !process.HasExited && Stopwatch.GetElapsedTime(started) < StartTimeout)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            }
        }
    }

    private async Task<string[]> MeasureAsync(int vms, int assignments, TimeSpan idle)
    {
        var redis = ProcessUsage.Of(_redis.Id);
        var own = ProcessUsage.Of(Environment.ProcessId);
        using var publisher = await RedisConnection.OpenAsync(_port);
        var memoryBefore = await MemoryAsync(publisher);
        var descriptorsBefore = own.FileDescriptors;
        var heard = new ConcurrentDictionary<string, long>();
        var subscribers = new Subscriber[vms];
        for (var vm = 0; vm < vms; vm++)
        {
            subscribers[vm] = await Subscriber.ConnectAsync(_port, $"vm-{vm}", heard);
        }
        try
        {
            var memoryAtFirst = await MemoryAsync(publisher) - memoryBefore;
            var before = (At: Stopwatch.GetTimestamp(), Redis: redis.Cpu);
            await Task.Delay(idle, TimeProvider.System);
            var between = (At: Stopwatch.GetTimestamp(), Redis: redis.Cpu, Own: own.Cpu);
            var (published, notified) = await AssignAsync(publisher, vms, assignments, heard);
            var after = (At: Stopwatch.GetTimestamp(), Redis: redis.Cpu, Own: own.Cpu);
            var idleTime = Stopwatch.GetElapsedTime(before.At, between.At);
            var idlePart = Stopwatch.GetElapsedTime(between.At, after.At) / idleTime;
            var redisCpu = (after.Redis - between.Redis - ((between.Redis - before.Redis) * idlePart)) / assignments;
            var ownCpu = (after.Own - between.Own) / assignments;

            var memory = await MemoryAsync(publisher) - memoryBefore;
            var (resident, redisDescriptors, ownDescriptors) = (redis.Resident, redis.FileDescriptors, own.FileDescriptors - descriptorsBefore);
            var disconnected = await LoseAsync(publisher, subscribers, heard, "disconnected", subscriber => subscriber.HangUpAsync());
            var vanished = await LoseAsync(publisher, subscribers, heard, "vanished", subscriber => subscriber.VanishAsync());
            return
            [
                $"{vms:N0}", $"{memoryAtFirst / 1e6:N1} MB", $"{memoryAtFirst / 1e3 / vms:N1} kB", $"{memory / 1e6:N1} MB",
                    $"{memory / 1e3 / vms:N1} kB", $"{resident / 1e6:N1} MB",
                $"{redisDescriptors:N0}", $"{ownDescriptors:N0}",
                $"{redisCpu.TotalMilliseconds:N3} ms", $"{ownCpu.TotalMilliseconds:N3} ms",
                published.ToString(), notified.ToString(), $"{notified.Count} of {assignments}", disconnected, vanished,
                $"{(between.Redis - before.Redis) / idleTime * 100:0.0} %",
            ];
        }
        finally
        {
            await Task.WhenAll(subscribers.Select(async subscriber => await subscriber.DisposeAsync()));
        }
    }

    /// <summary>Sends assignments at fixed times; each waits for the reply to the previous one, as Redis requires.</summary>
    private static async Task<(Latencies Published, Latencies Notified)> AssignAsync(
        RedisConnection publisher, int vms, int assignments, ConcurrentDictionary<string, long> heard)
    {
        var published = new Latencies();
        var sent = new Dictionary<string, long>();
        using var pace = new PeriodicTimer(TimeSpan.FromSeconds(1 / AssignmentsPerSecond), TimeProvider.System);
        while (sent.Count < assignments && await pace.WaitForNextTickAsync())
        {
            var message = $"assignment-{sent.Count}";
            var started = sent[message] = Stopwatch.GetTimestamp();
            await publisher.CallAsync("PUBLISH", $"vm-{Random.Shared.Next(vms)}", message);
            published.Add(Stopwatch.GetElapsedTime(started));
        }
        var last = Stopwatch.GetTimestamp();
        while (!sent.Keys.All(heard.ContainsKey) && Stopwatch.GetElapsedTime(last) < Timeout)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }
        var notified = new Latencies();
        foreach (var (message, at) in sent)
        {
            if (heard.TryGetValue(message, out var heardAt))
            {
                notified.Add(Stopwatch.GetElapsedTime(at, heardAt));
            }
        }
        return (published, notified);
    }

    /// <summary>Disconnects a tenth of the VMs, sends each an assignment, and reconnects them.</summary>
    private static async Task<string> LoseAsync(
        RedisConnection publisher, Subscriber[] subscribers, ConcurrentDictionary<string, long> heard, string how, Func<Subscriber, Task> leave)
    {
        var away = subscribers.Where((_, i) => i % 10 == 0).ToArray();
        await Task.WhenAll(away.Select(leave));
        await Task.Delay(Away / 2, TimeProvider.System);
        var receivers = 0L;
        foreach (var vm in away)
        {
            receivers += long.Parse((await publisher.CallAsync("PUBLISH", vm.Channel, $"{how}-{vm.Channel}"))[0], CultureInfo.InvariantCulture);
        }
        await Task.Delay(Away / 2, TimeProvider.System);
        foreach (var vm in away)
        {
            await vm.ComeBackAsync();
        }
        // A message that is sent now arrives after all earlier ones.
        foreach (var vm in away)
        {
            await publisher.CallAsync("PUBLISH", vm.Channel, $"{how}-after-{vm.Channel}");
        }
        var back = Stopwatch.GetTimestamp();
        while (!away.All(vm => heard.ContainsKey($"{how}-after-{vm.Channel}")))
        {
            if (Stopwatch.GetElapsedTime(back) > Timeout)
            {
                throw new TimeoutException("VMs that reconnected receive nothing.");
            }
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }
        var lost = away.Count(vm => !heard.ContainsKey($"{how}-{vm.Channel}"));
        return $"{lost:N0} of {away.Length:N0}; receivers named: {receivers:N0}";
    }

    private static async Task<double> MemoryAsync(RedisConnection connection)
    {
        const string Name = "used_memory:";
        var info = (await connection.CallAsync("INFO", "memory"))[0];
        return double.Parse(
            info.Split("\r\n").First(line => line.StartsWith(Name, StringComparison.Ordinal)).AsSpan(Name.Length), CultureInfo.InvariantCulture);
    }

    /// <summary>A VM's connection and the messages it receives.</summary>
    private sealed class Subscriber(int port, string channel, ConcurrentDictionary<string, long> heard) : IAsyncDisposable
    {
        private RedisConnection? _connection;
        private CancellationTokenSource _over = new();
        private Task _hearing = Task.CompletedTask;

        public string Channel { get; } = channel;

        public static async Task<Subscriber> ConnectAsync(int port, string channel, ConcurrentDictionary<string, long> heard)
        {
            var subscriber = new Subscriber(port, channel, heard);
            await subscriber.ConnectAsync();
            return subscriber;
        }

        /// <summary>Closes the connection, which Redis notices.</summary>
        public async Task HangUpAsync()
        {
            await VanishAsync();
            _connection!.Dispose();
        }

        /// <summary>Stops reading; to Redis the VM still seems connected.</summary>
        public async Task VanishAsync()
        {
            await _over.CancelAsync();
            await _hearing;
        }

        public async Task ComeBackAsync()
        {
            _connection!.Dispose();
            await ConnectAsync();
        }

        public async ValueTask DisposeAsync()
        {
            await HangUpAsync();
            _over.Dispose();
        }

        private async Task ConnectAsync()
        {
            _over.Dispose();
            _over = new CancellationTokenSource();
            _connection = await RedisConnection.OpenAsync(port);
            await _connection.CallAsync("SUBSCRIBE", Channel);
            _hearing = HearAsync(_connection, _over.Token);
        }

        private async Task HearAsync(RedisConnection connection, CancellationToken over)
        {
            try
            {
                while (true)
                {
                    if (await connection.ReadAsync(over) is ["message", _, var message])
                    {
                        heard[message] = Stopwatch.GetTimestamp();
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // The VM has disconnected, or the scenario has ended.
            }
        }
    }
}
