using System.Diagnostics;
using System.Globalization;
using Allocator.Api.Fleet;
using Allocator.Bench.Load;

namespace Allocator.Bench;

/// <summary>
/// What a poll allocates, everything included: the server runs in this process, and the load generator beside it
/// allocates nothing. A process of its own, since it cannot be stopped again.
/// </summary>
internal static class Allocations
{
    private const int Vms = 10_000;

    public static async Task<Table> RunAsync(Database database)
    {
        var table = new Table(
            "Allocations",
            Text($"Of the whole process per request, {Vms:N0} VMs. Kestrel makes strings of the path, of If-None-Match and of Authorization; nearly all of it is these."),
            ["", "per request"]);
        table.Add("bare Kestrel", await MeasureAsync("bare", ""));
        table.Add("steady poll", await MeasureAsync("api", await database.CreateFleetAsync(Vms)));
        return table;
    }

    /// <summary>In the process that is measured.</summary>
    public static async Task MeasureInThisProcessAsync(string server, string connectionString)
    {
        var address = new Uri(Text($"http://127.0.0.1:{Server.FreePort()}"));
        string[] arguments = ["--urls", address.ToString()];
        Environment.SetEnvironmentVariable("Database__ConnectionString", connectionString);
        Environment.SetEnvironmentVariable("Admin__ApiKeys__bench", new('0', 64));
        Environment.SetEnvironmentVariable("Enrolment__TokenHashes__0", new('0', 64));
        Environment.SetEnvironmentVariable("Logging__LogLevel__Default", "Warning");
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
        await WaitUntilReadyAsync(address);
        Throughput.RunOnce(address, requests);
        Throughput.Run(address, requests, TimeSpan.FromSeconds(5));
        var before = GC.GetTotalAllocatedBytes(precise: true);
        var load = Throughput.Run(address, requests, TimeSpan.FromSeconds(3));
        var bytes = GC.GetTotalAllocatedBytes(precise: true) - before - Histogram.Bytes;
        Console.WriteLine(Text($"{bytes / (double)load.Answered:0} B"));
        Environment.Exit(0);
    }

    private static async Task WaitUntilReadyAsync(Uri address)
    {
        using var http = new HttpClient { BaseAddress = address };
        while (true)
        {
            try
            {
                using var response = await http.GetAsync("/health/ready");
                if ((int)response.StatusCode is 200 or 304)
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
    }

    private static async Task<string> MeasureAsync(string server, string connectionString)
    {
        using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["allocations-of", server, connectionString]) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        // Above it stands what the server said at its start.
        return output.Trim().Split('\n')[^1];
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
