using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace Allocator.Bench;

/// <summary>
/// Runs VMs as the predecessor served them, in a separate process: each has a dedicated connection in LISTEN on one shared
/// channel, receives every notification and checks whether it is the recipient.
/// </summary>
/// <remarks>
/// Prints the number of accepted connections, and then the name and the time for each VM that receives its own name. Ends
/// at the end of its standard input.
/// </remarks>
internal sealed class ListeningVms : IAsyncDisposable
{
    public const string Channel = "vm_updates";

    /// <summary>The number of concurrent connection attempts. PostgreSQL forks for each, and more would only queue at the server.</summary>
    private const int ConnectAtOnce = 8;

    private readonly Process _process;
    private Task _reading = Task.CompletedTask;

    private ListeningVms(Process process) => _process = process;

    public int ProcessId => _process.Id;

    /// <summary>The number of VMs whose connection the server accepted.</summary>
    public int Connected { get; private set; }

    /// <param name="heard">Called with the VM that received its name, and the <see cref="Stopwatch.GetTimestamp"/>.</param>
    /// <param name="environment">Additional environment variables of the process.</param>
    public static async Task<ListeningVms> StartAsync(
        string connectionString, int vms, Action<string, long> heard, params IEnumerable<KeyValuePair<string, string>> environment)
    {
        var start = new ProcessStartInfo(
            Path.Combine(AppContext.BaseDirectory, "Allocator.Bench"), ["listen-vms", connectionString, vms.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }
        var process = Process.Start(start)!;
        var listening = new ListeningVms(process);
        var connected = await process.StandardOutput.ReadLineAsync()
            ?? throw new InvalidOperationException("The listening program ended early.");
        listening.Connected = int.Parse(connected, CultureInfo.InvariantCulture);
        listening._reading = listening.ReadAsync(heard);
        return listening;
    }

    /// <summary>Runs in the separate process.</summary>
    public static async Task RunAsync(string connectionString, int vms)
    {
        using var over = new CancellationTokenSource();
        var output = TextWriter.Synchronized(Console.Out);
        using var places = new SemaphoreSlim(ConnectAtOnce);
        var connections = await Task.WhenAll(Enumerable.Range(1, vms).Select(vm => ConnectAsync(connectionString, $"vm-{vm}", output, places)));
        var listening = connections.OfType<NpgsqlConnection>().ToArray();
        output.WriteLine(listening.Length);
        var waiting = listening.Select(connection => WaitAsync(connection, over.Token)).ToArray();

        // A separate thread, because reading the console blocks, and with one core the pool has only one thread.
        await Task.Factory.StartNew(Console.In.ReadToEnd, default, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await over.CancelAsync();
        await Task.WhenAll(waiting);
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _reading;
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private async Task ReadAsync(Action<string, long> heard)
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            heard(line[..space], long.Parse(line.AsSpan(space + 1), CultureInfo.InvariantCulture));
        }
    }

    private static async Task<NpgsqlConnection?> ConnectAsync(string connectionString, string hostname, TextWriter output, SemaphoreSlim places)
    {
        await places.WaitAsync();
        try
        {
            var connection = new NpgsqlConnection(connectionString);
            await connection.OpenAsync();
            connection.Notification += (_, notification) =>
            {
                if (notification.Payload == hostname)
                {
                    output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{hostname} {Stopwatch.GetTimestamp()}"));
                }
            };
            await using var listen = new NpgsqlCommand($"listen {Channel}", connection);
            await listen.ExecuteNonQueryAsync();
            return connection;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.TooManyConnections)
        {
            return null;
        }
        finally
        {
            places.Release();
        }
    }

    private static async Task WaitAsync(NpgsqlConnection connection, CancellationToken over)
    {
        await using (connection)
        {
            try
            {
                while (true)
                {
                    await connection.WaitAsync(over);
                }
            }
            catch (OperationCanceledException)
            {
                // The scenario has ended.
            }
        }
    }
}
