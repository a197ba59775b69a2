using System.Diagnostics;
using Allocator.Api.Fleet;
using Allocator.Bench.Load;

namespace Allocator.Bench;

/// <summary>
/// Measures everything that a poll allocates. The server runs in the measured process together with the load generator,
/// which allocates nothing. The process is separate because the server cannot be stopped again.
/// </summary>
internal static class Allocations
{
    private const int Vms = 10_000;

    public static async Task<Table> RunAsync(Database database)
    {
        var table = new Table(
            "Allocations",
            $"Of the whole process per request, {Vms:N0} VMs. Kestrel makes strings of the path, If-None-Match and Authorization; nearly all "
                + $"of it is these.",
            ["", "per request"]);
        table.Add("bare Kestrel", await MeasureAsync("bare", []));
        table.Add("steady poll", await MeasureAsync("api", Server.ApiSettings(await database.CreateFleetAsync(Vms))));
        return table;
    }

    /// <summary>Runs in the measured process.</summary>
    public static async Task MeasureInThisProcessAsync(string server)
    {
        var address = Server.FreeAddress();
        string[] arguments = ["--urls", address.ToString()];
        new Thread(() =>
        {
            if (server == "bare")
            {
                BareKestrel.RunAsync(arguments).Wait();
            }
            else
            {
                typeof(VmFleet).Assembly.EntryPoint!.Invoke(null, [arguments]);
            }
        })
        { IsBackground = true }.Start();
        using var requests = PollRequests.OfFleet(1, Vms, 1);
        await Server.WaitUntilAsync(address, "/health/ready");
        Throughput.RunOnce(address, requests);
        Throughput.Run(address, requests, TimeSpan.FromSeconds(3));
        // The difference of two runs excludes the cost of opening connections.
        var (some, more) = (Measure(TimeSpan.FromSeconds(0.5)), Measure(TimeSpan.FromSeconds(2.5)));
        Console.WriteLine($"{(more.Bytes - some.Bytes) / (double)(more.Answered - some.Answered):0} B");
        Environment.Exit(0);

        (long Bytes, long Answered) Measure(TimeSpan duration)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            var answered = Throughput.Run(address, requests, duration).Answered;
            return (GC.GetTotalAllocatedBytes(precise: true) - before, answered);
        }
    }

    private static async Task<string> MeasureAsync(string server, Dictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["allocations-of", server]) { RedirectStandardOutput = true };
        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        // The lines above are the server's log.
        return output.Trim().Split('\n')[^1];
    }
}
