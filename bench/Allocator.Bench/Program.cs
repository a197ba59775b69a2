using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Allocator.Bench;

if (args is ["bare", ..])
{
    await BareKestrel.RunAsync(args[1..]);
    return;
}

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
int[] fleets = [10_000, 100_000];
const int Rounds = 5;
var duration = TimeSpan.FromSeconds(6);

await using var database = await Database.StartAsync();
var polls = Path.GetTempFileName();
var bare = new List<LoadResult>();
var rows = new List<string>();
await using var bareServer = await Server.StartBareAsync();
foreach (var vms in fleets)
{
    var connectionString = await database.CreateFleetAsync(vms);
    await File.WriteAllLinesAsync(polls, Enumerable.Range(1, vms).Select(i => $"vm-{i} {Token(i)}"));
    await using var api = await Server.StartApiAsync(connectionString);
    // Warm: compiled code, and every VM noted once.
    await Load.RunAsync(bareServer, polls, duration);
    await Load.RunAsync(api, polls, duration);

    var ratios = new List<double>();
    var cpuRatios = new List<double>();
    var ours = new List<LoadResult>();
    var before = await Database.StatementsAsync(connectionString);
    var seconds = TimeSpan.Zero;
    for (var round = 0; round < Rounds; round++)
    {
        // One after the other in each round, so that what else the machine does befalls both.
        var reference = await Load.RunAsync(bareServer, polls, duration);
        var result = await Load.RunAsync(api, polls, duration);
        bare.Add(reference);
        ours.Add(result);
        ratios.Add(result.PerSecond / reference.PerSecond);
        cpuRatios.Add(reference.CpuMicroseconds / result.CpuMicroseconds);
        seconds += 2 * duration;
        Console.Error.WriteLine($"{vms,9:N0} VMs, round {round + 1}: bare {reference.PerSecond:N0}/s, polls {result.PerSecond:N0}/s, ratio {ratios[^1]:0.00}, by processor time {cpuRatios[^1]:0.00}");
    }
    var after = await Database.StatementsAsync(connectionString);
    var polled = ours.Sum(result => result.PerSecond * duration.TotalSeconds);
    var others = after.All - before.All - (after.Liveness - before.Liveness);
    rows.Add(
        $"| {vms:N0} | {Median(ours, r => r.PerSecond):N0} | {Median(bare, r => r.PerSecond):N0} | {ratios.Order().ElementAt(Rounds / 2):0.00} | {Median(ours, r => r.CpuMicroseconds):0.0} µs | {cpuRatios.Order().ElementAt(Rounds / 2):0.00} " +
        $"| {Median(ours, r => r.P50):0.00} ms | {Median(ours, r => r.P99):0.00} ms | {ours.Sum(r => r.Errors)} | {api.ResidentMegabytes:N0} MB | {api.TimeToReady.TotalSeconds:0.0} s " +
        $"| {others / seconds.TotalSeconds:0.0}/s | {(after.Liveness - before.Liveness) / seconds.TotalSeconds:0.0}/s | {others / polled:0.000000} | {await Database.ConnectionsAsync(connectionString)} |");
}
File.Delete(polls);

var report = new StringBuilder()
    .AppendLine("| VMs | polls/s | bare Kestrel 304/s | ratio | CPU per poll | ratio by CPU | p50 | p99 | errors | resident | ready after | queries | liveness writes | queries per poll | connections |")
    .AppendLine("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    .AppendJoin(Environment.NewLine, rows).AppendLine()
    .AppendLine().AppendLine($"Medians of {Rounds} rounds of {duration.TotalSeconds:0} s, bare and polls in turn; server on one core, wrk with 64 connections on the other.");
Console.WriteLine(report);
if (args is [var results, ..])
{
    await File.WriteAllTextAsync(results, report.ToString());
}

static double Median(IEnumerable<LoadResult> results, Func<LoadResult, double> value)
{
    var sorted = results.Select(value).Order().ToArray();
    return sorted[sorted.Length / 2];
}

// The same as in the database: the VM's name, and 256 bits that are known here.
static string Token(int i) =>
    $"vm-{i}.{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes($"bench{i}"))).Replace('+', '-').Replace('/', '_').TrimEnd('=')}";
