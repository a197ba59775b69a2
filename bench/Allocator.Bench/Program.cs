using System.Diagnostics;
using System.Globalization;
using System.Text;
using Allocator.Bench;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
switch (args)
{
    // Commands that scenarios run in separate processes.
    case ["bare", .. var kestrel]:
        await BareKestrel.RunAsync(kestrel);
        return 0;
    case ["listen-vms", var listenTo, var listeners]:
        await ListeningVms.RunAsync(listenTo, int.Parse(listeners, CultureInfo.InvariantCulture));
        return 0;
    case ["allocations-of", var server]:
        await Allocations.MeasureInThisProcessAsync(server);
        return 0;
}

string[] scenarios = ["allocations", "paced", "polls", "pickup", "listen", "redis", "lists", "sign-in", "client"];
string[] onlyInFull = ["lists", "sign-in", "client"];
var full = args.Contains("--full");
var chosen = args.Where(argument => argument != "--full").ToArray();
if (chosen is not [var results, ..] || chosen[1..].Except(scenarios).Any())
{
    Console.Error.WriteLine($"usage: Allocator.Bench RESULTS [--full] [{string.Join('|', scenarios)} …]");
    return 2;
}
var wanted = chosen[1..] is { Length: > 0 } some ? some : full ? scenarios : scenarios.Except(onlyInFull);
var report = new StringBuilder();
await using (var database = await Database.StartAsync())
{
    if (wanted.Contains("paced"))
    {
        // This takes a while, and does not disturb the counting of bytes.
        _ = database.CreateFleetAsync(1_000_000);
    }
    await RunAsync("allocations", async () => [await Allocations.RunAsync(database)]);
    // With --full the resolution is that of docs/scaling.md for such fleets.
    await using (var million = new SharedResource<Replica>(() => Replica.StartAsync(database, 1_000_000, TimeSpan.FromMinutes(full ? 2 : 1))))
    {
        await RunAsync("paced", () => PacedLoad.RunAsync(database, million, full));
        await RunAsync("polls", async () => [await PollThroughput.RunAsync(database, await million.GetAsync(), full)]);
    }
    await RunAsync("lists", async () => [await Lists.RunAsync(database, full)]);
    await RunAsync("sign-in", async () => [await SignIns.RunAsync(database, full)]);
    await RunAsync("client", async () => [await ClientOnVm.RunAsync(database, full)]);
}
// Three replicas and a proxy share both cores with everything else.
await Server.MoveAsync(Environment.ProcessId, Server.BothCores);
await RunAsync("pickup", () => Pickup.RunAsync(full));
await Server.MoveAsync(Environment.ProcessId, Server.SecondCore);
await RunAsync("listen", async () => [await ListenNotify.RunAsync(full)]);
await RunAsync("redis", async () => [await RedisSubscribers.RunAsync(full)]);
return 0;

async Task RunAsync(string scenario, Func<Task<Table[]>> run)
{
    if (wanted.Contains(scenario))
    {
        Console.Error.WriteLine($"── {scenario}");
        var (steal, started) = (new CpuSteal(), Stopwatch.GetTimestamp());
        var tables = await run();
        var host = $"Took {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s, in which the machine's host gave {steal} of its cores to "
            + $"others{(steal.Share > CpuSteal.Tolerable ? ": too much to compare times and rates" : "")}.";
        foreach (var table in tables.Select(table => table with { Note = $"{table.Note}\n\n{host}" }))
        {
            Console.WriteLine(table.ToMarkdown());
            report.AppendLine(table.ToMarkdown());
        }
        // Written after each scenario, so that an interrupted run keeps its results.
        await File.WriteAllTextAsync(results, report.ToString());
    }
}
