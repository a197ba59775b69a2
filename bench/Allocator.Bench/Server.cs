using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Allocator.Bench;

/// <summary>A server under load, as a process of its own on the first core; the load comes from the second.</summary>
internal sealed class Server : IAsyncDisposable
{
    private const string Core = "0";
    private readonly Process _process;

    private Server(Process process, Uri address) => (_process, Address) = (process, address);

    public Uri Address { get; }

    /// <summary>From the start of the process until it answered.</summary>
    public TimeSpan TimeToReady { get; private set; }

    /// <summary>Memory in use now, in MB.</summary>
    public double ResidentMegabytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64 / 1e6;
        }
    }

    public TimeSpan CpuTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public static Task<Server> StartBareAsync() =>
        StartAsync(Path.Combine(AppContext.BaseDirectory, "Allocator.Bench"), ["bare"], "/", new Dictionary<string, string>());

    public static Task<Server> StartApiAsync(string connectionString) => StartAsync(
        Path.Combine(AppContext.BaseDirectory, "Allocator.Api"), [], "/health/ready", new Dictionary<string, string>
        {
            ["Database__ConnectionString"] = connectionString,
            ["Admin__ApiKeys__bench"] = new('0', 64),
            ["Enrolment__TokenHashes__0"] = new('0', 64),
        });

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private static async Task<Server> StartAsync(string program, string[] arguments, string ready, Dictionary<string, string> environment)
    {
        var address = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{FreePort()}"));
        var start = new ProcessStartInfo("taskset", ["-c", Core, program, .. arguments, "--urls", address.ToString()]) { RedirectStandardOutput = true };
        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }
        var started = Stopwatch.GetTimestamp();
        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => Console.Error.WriteLine(line.Data);
        process.BeginOutputReadLine();
        var server = new Server(process, address);
        using var http = new HttpClient { BaseAddress = address };
        while (!await AnswersAsync(http, ready))
        {
            if (process.HasExited)
            {
                throw new InvalidOperationException($"{program} ended with exit code {process.ExitCode}.");
            }
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
        server.TimeToReady = Stopwatch.GetElapsedTime(started);
        return server;
    }

    private static async Task<bool> AnswersAsync(HttpClient http, string path)
    {
        try
        {
            using var response = await http.GetAsync(path);
            return response.StatusCode is HttpStatusCode.OK or HttpStatusCode.NotModified;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
