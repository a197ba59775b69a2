using System.Globalization;
using Allocator.Bench;
using Allocator.Bench.Load;

if (args is ["bare", ..])
{
    await BareKestrel.RunAsync(args[1..]);
    return;
}

if (args is ["micro", var n])
{
    Micro.Run(int.Parse(n));
    return;
}
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
int vms = int.Parse(args[0]), rounds = int.Parse(args[1]);
await using var database = await Database.StartAsync();
var cs = await database.CreateFleetAsync(vms);
await using var bare = await Server.StartBareAsync();
await using var api = await Server.StartApiAsync(cs);
using var requests = PollRequests.OfFleet(vms, 1);
var duration = TimeSpan.FromSeconds(double.Parse(args[2]));
Console.WriteLine($"ready {api.TimeToReady} rss {api.ResidentMegabytes:N0}");
for (var i = 0; i < rounds; i++)
{
    var c0 = bare.CpuTime;
    var b = Throughput.Run(bare.Address, requests, duration);
    var c1 = bare.CpuTime;
    var a0 = api.CpuTime;
    var a = Throughput.Run(api.Address, requests, duration);
    var a1 = api.CpuTime;
    var bc = (c1 - c0).TotalMicroseconds / b.Answered;
    var ac = (a1 - a0).TotalMicroseconds / a.Answered;
    Console.WriteLine($"bare {b.PerSecond:N0}/s {bc:0.00} us p99 {b.Latencies.Percentile(99)}  api {a.PerSecond:N0}/s {ac:0.00} us p50 {a.Latencies.Percentile(50)} p99 {a.Latencies.Percentile(99)} 304 {a.NotModified} err {a.Errors} ratio {a.PerSecond / b.PerSecond:0.000} cpu {bc / ac:0.000} rss {api.ResidentMegabytes:N0}");
}
