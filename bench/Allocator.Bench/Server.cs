using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Allocator.Bench;

/// <summary>A server under load in a separate process.</summary>
internal sealed class Server : IAsyncDisposable
{
    /// <summary>The core of the measured server; the load comes from the other one.</summary>
    public const string FirstCore = "0";

    /// <summary>The core of the load generator, PostgreSQL and everything else.</summary>
    public const string SecondCore = "1";

    public const string BothCores = "0,1";

    private readonly Process _process;

    private Server(Process process, Uri address) => (_process, Address, Usage) = (process, address, ProcessUsage.OfTree(process.Id));

    public Uri Address { get; }

    public int ProcessId => _process.Id;

    /// <summary>Gets the usage of the server with its workers.</summary>
    public ProcessUsage Usage { get; }

    /// <summary>Gets the time from the start of the process to the first answer.</summary>
    public TimeSpan TimeToReady { get; private set; }

    public static Task<Server> StartBareAsync()
    {
        var address = FreeAddress();
        return StartAsync(FirstCore, Own("Allocator.Bench"), ["bare", "--urls", address.ToString()], address, "/", s_small);
    }

    /// <param name="environment">Additional environment variables of the replica.</param>
    public static Task<Server> StartApiAsync(string connectionString, params IEnumerable<KeyValuePair<string, string>> environment) =>
        StartApiOnAsync(FirstCore, connectionString, environment);

    public static Task<Server> StartApiOnAsync(string cores, string connectionString, params IEnumerable<KeyValuePair<string, string>> environment)
    {
        var address = FreeAddress();
        return StartAsync(cores, Own("Allocator.Api"), ["--urls", address.ToString()], address, "/health/ready",
            new([.. s_small, .. ApiSettings(connectionString), .. environment]));
    }

    /// <summary>Returns the environment variables that a replica needs.</summary>
    public static Dictionary<string, string> ApiSettings(string connectionString) => new()
    {
        ["Database__ConnectionString"] = connectionString,
        ["Telemetry__PublicMetrics"] = "true",
        ["Admin__ApiKeys__bench"] = new('0', 64),
        ["Enrolment__TokenHashes__0"] = new('0', 64),
        ["Logging__LogLevel__Default"] = "Warning",
    };

    /// <summary>Starts nginx with one worker that serves one small file.</summary>
    public static Task<Server> StartNginxAsync(string folder)
    {
        var address = FreeAddress();
        File.WriteAllText(Path.Combine(folder, "body.json"), """{"hostname":"vm-1","generation":1,"state":"free","assignment":null}""");
        File.WriteAllText(Path.Combine(folder, "nginx.conf"), $$"""
            daemon off;
            user root;
            pid {{folder}}/nginx.pid;
            error_log {{folder}}/error.log;
            worker_processes 1;
            events { worker_connections 1024; }
            http {
              access_log off;
              keepalive_requests 1000000000;
              client_body_temp_path {{folder}}; proxy_temp_path {{folder}}; fastcgi_temp_path {{folder}};
              uwsgi_temp_path {{folder}}; scgi_temp_path {{folder}};
              server {
                listen {{address.Authority}};
                root {{folder}};
                location / { try_files /body.json =404; }
              }
            }
            """);
        return StartAsync(FirstCore, "nginx", ["-c", Path.Combine(folder, "nginx.conf"), "-e", Path.Combine(folder, "error.log")], address, "/",
            s_small);
    }

    /// <summary>Starts HAProxy in front of these replicas, with the settings of every deployment.</summary>
    public static Task<Server> StartHaProxyAsync(string folder, IEnumerable<Server> replicas)
    {
        var address = FreeAddress();
        var file = Path.Combine(folder, "haproxy.cfg");
        File.WriteAllLines(file,
        [
            .. File.ReadAllLines(Path.GetFullPath("scripts/haproxy.cfg")),
            .. replicas.Select((replica, i) => $"  server api-{i} {replica.Address.Authority}"),
        ]);
        return StartAsync(BothCores, "haproxy", ["-db", "-f", file], address, "/health/ready", new() { ["LISTEN"] = address.Authority });
    }

    // The setting of the container image; the reference gets the same.
    private static readonly Dictionary<string, string> s_small = new() { ["DOTNET_GCgen0size"] = "0x400000" };

    public async ValueTask DisposeAsync()
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    /// <summary>Moves a process and its future children to these cores.</summary>
    public static async Task MoveAsync(int process, string cores)
    {
        using var move = Process.Start(new ProcessStartInfo("taskset", ["-a", "-c", "-p", cores, $"{process}"]) { RedirectStandardOutput = true })!;
        await move.StandardOutput.ReadToEndAsync();
        await move.WaitForExitAsync();
    }

    private static async Task<Server> StartAsync(
        string cores, string program, string[] arguments, Uri address, string ready, Dictionary<string, string> environment)
    {
        var start = new ProcessStartInfo("taskset", ["-c", cores, program, .. arguments]) { RedirectStandardOutput = true };
        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }
        var started = Stopwatch.GetTimestamp();
        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        var server = new Server(process, address);
        await WaitUntilAsync(address, ready, process);
        server.TimeToReady = Stopwatch.GetElapsedTime(started);
        return server;
    }

    /// <summary>Waits until the path is answered or the server exits.</summary>
    public static async Task WaitUntilAsync(Uri address, string path, Process? process = null)
    {
        using var http = new HttpClient { BaseAddress = address };
        while (!await AnswersAsync(http, path))
        {
            if (process is { HasExited: true })
            {
                throw new InvalidOperationException($"The server at {address} ended with exit code {process.ExitCode}.");
            }
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
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

    public static Uri FreeAddress() => new($"http://127.0.0.1:{FreePort()}");

    private static string Own(string program) => Path.Combine(AppContext.BaseDirectory, program);

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
