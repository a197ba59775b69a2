using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Allocator.Api.Data;

/// <summary>
/// A PostgreSQL of one's own, for development and tests: the installed server's binaries, a data folder that is kept
/// between runs, and no door but a unix socket that only its owner can reach. It ends with this process, even when
/// the process is killed.
/// </summary>
internal sealed class PrivatePostgres : IAsyncDisposable
{
    private const int OldestVersion = 15;
    private const string Owner = "allocator";
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);

    private readonly string _binaries;
    private readonly string _data;
    private readonly string _socket;
    private readonly string[] _settings;
    private readonly Queue<string> _lastWords = new();
    private Process? _server;

    private PrivatePostgres(string binaries, string folder, string[] settings)
    {
        _binaries = binaries;
        _settings = settings;
        _data = Path.Combine(folder, "postgres");
        // A socket's path has room for 107 bytes only, so it cannot lie in a folder of any depth.
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(_data));
        _socket = Path.Combine(Path.GetTempPath(), "allocator-" + Convert.ToHexStringLower(hash.AsSpan(0, 6)));
    }

    /// <summary>How to reach the database <c>allocator</c> in it.</summary>
    public string ConnectionString => ConnectionStringTo("allocator");

    /// <summary>Starts a server on the data in <paramref name="folder"/>, making it if it is not there.</summary>
    /// <param name="settings">More of the server's settings, as <c>name=value</c>.</param>
    /// <exception cref="PrivatePostgresException">It cannot run here; the message says what to do.</exception>
    public static async Task<PrivatePostgres> StartAsync(string folder, string[]? settings = null, CancellationToken cancel = default)
    {
        var postgres = new PrivatePostgres(FindBinaries(), Path.GetFullPath(folder), settings ?? []);
        await postgres.StartAsync(cancel);
        return postgres;
    }

    /// <summary>Starts the server again after <see cref="StopAsync"/>, on the same data and the same address.</summary>
    public async Task StartAsync(CancellationToken cancel = default)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_data)!);
        await MakeFolderAsync(_socket, cancel);
        if (!File.Exists(Path.Combine(_data, "PG_VERSION")) && !Directory.Exists(Path.Combine(_data, "base")))
        {
            // Under another name until it is whole: a half-made folder is never mistaken for data.
            var unfinished = _data + ".new";
            await RunAsync(["rm", "-rf", unfinished], cancel);
            await MakeFolderAsync(unfinished, cancel);
            await RunAsync(
                [.. AsOwner(), Binary("initdb"), "-D", unfinished, "-U", Owner, "-E", "UTF8", "--locale=C.UTF-8", "--auth=trust", "--no-sync"],
                cancel);
            await RunAsync(["mv", "-T", unfinished, _data], cancel);
        }
        StartServer();
        await WaitUntilItAnswersAsync(cancel);
        await CreateDatabaseAsync("allocator", cancel);
    }

    /// <summary>Stops the server; its data stays.</summary>
    public async Task StopAsync()
    {
        if (_server is { HasExited: false })
        {
            await RunAsync([.. AsOwner(), Binary("pg_ctl"), "stop", "-D", _data, "-m", "fast", "-w"], CancellationToken.None);
            await _server.WaitForExitAsync();
        }
        _server?.Dispose();
        _server = null;
        try
        {
            // The server has taken its socket with it.
            Directory.Delete(_socket);
        }
        catch (IOException)
        {
            // Gone already, or something lies there that is not this server's.
        }
    }

    /// <summary>How to reach one database in it.</summary>
    public string ConnectionStringTo(string database) =>
        new NpgsqlConnectionStringBuilder { Host = _socket, Username = Owner, Database = database }.ConnectionString;

    public async Task CreateDatabaseAsync(string name, CancellationToken cancel = default)
    {
        await using var admin = NpgsqlDataSource.Create(ConnectionStringTo("postgres") + ";Pooling=false");
        await using var exists = admin.Command("select 1 from pg_database where datname = $1", name);
        if (await exists.ExecuteScalarAsync(cancel) is null)
        {
            await admin.Command($"create database \"{name}\"").ExecuteAsync(cancel);
        }
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private static string FindBinaries()
    {
        var found = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin"))
            : [];
        var onPath = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        return found.Concat(onPath)
            .Where(folder => File.Exists(Path.Combine(folder, "postgres")) && File.Exists(Path.Combine(folder, "initdb")))
            .OrderByDescending(Version)
            .FirstOrDefault(folder => Version(folder) >= OldestVersion)
            ?? throw new PrivatePostgresException(
                $"""
                No connection string is set, and PostgreSQL {OldestVersion} or newer is not installed, so that none can be started here.
                Install it:                       apt-get install -y postgresql
                Or name a server that is there:   export Database__ConnectionString='Host=…;Database=…;Username=…;Password=…'
                """);

        // Debian's folders are named by the version; elsewhere the binary has to be asked.
        static int Version(string folder)
        {
            var parent = Path.GetFileName(Path.GetDirectoryName(folder));
            if (int.TryParse(parent, NumberStyles.None, CultureInfo.InvariantCulture, out var version))
            {
                return version;
            }
            try
            {
                using var asked = Start([Path.Combine(folder, "postgres"), "--version"]);
                var words = asked.StandardOutput.ReadToEnd().Split(' ', '.');
                return words.Select(word => int.TryParse(word, out var number) ? number : 0).FirstOrDefault(number => number > 0);
            }
            catch (Win32Exception)
            {
                // Named so, but nothing that runs.
                return 0;
            }
        }
    }

    private string Binary(string name) => Path.Combine(_binaries, name);

    /// <summary>
    /// The server refuses to run as root, so root lends it to the account that the package made. Where the data lies
    /// below a folder closed to that account, the one capability that opens closed folders is lent with it.
    /// </summary>
    private string[] AsOwner(params string[] more)
    {
        if (!Environment.IsPrivilegedProcess)
        {
            return ["setpriv", .. more];
        }
        string[] become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", .. more];
        return IsOpenToAll(Path.GetDirectoryName(_data)!)
            ? become
            : [.. become, "--inh-caps=+dac_override", "--ambient-caps=+dac_override"];

        static bool IsOpenToAll(string folder)
        {
            for (var parent = new DirectoryInfo(folder); parent is not null; parent = parent.Parent)
            {
                if (!parent.UnixFileMode.HasFlag(UnixFileMode.OtherExecute))
                {
                    return false;
                }
            }
            return true;
        }
    }

    /// <summary>Makes a folder that is the server's own, and closed to all others.</summary>
    private static Task MakeFolderAsync(string path, CancellationToken cancel)
    {
        string[] ownedBy = Environment.IsPrivilegedProcess ? ["-o", "postgres", "-g", "postgres"] : [];
        return RunAsync(["install", "-d", "-m", "0700", .. ownedBy, path], cancel);
    }

    private void StartServer()
    {
        // The signal on the parent's death is bound to the thread that starts the server, so that thread stays.
        using var started = new ManualResetEventSlim();
        Exception? failure = null;
        var keeper = new Thread(() =>
        {
            try
            {
                _server = Start(
                [
                    // In a session of its own: the Ctrl-C that stops this process must not stop the server before it.
                    .. AsOwner("--pdeathsig", "INT"), "setsid", Binary("postgres"), "-D", _data, "-k", _socket,
                    "-c", "listen_addresses=", "-c", "unix_socket_permissions=0700", "-c", "max_connections=100",
                    "-c", "log_min_messages=warning", .. _settings.SelectMany(setting => new[] { "-c", setting }),
                ]);
                _server.ErrorDataReceived += (_, line) => Remember(line.Data);
                _server.OutputDataReceived += (_, line) => Remember(line.Data);
                _server.BeginErrorReadLine();
                _server.BeginOutputReadLine();
            }
            catch (Exception e)
            {
                failure = e;
            }
            started.Set();
            if (failure is null)
            {
                _server!.WaitForExit();
            }
        })
        { IsBackground = true, Name = "PostgreSQL" };
        keeper.Start();
        started.Wait();
        if (failure is not null)
        {
            throw new PrivatePostgresException($"PostgreSQL could not be started: {failure.Message}");
        }
    }

    private async Task WaitUntilItAnswersAsync(CancellationToken cancel)
    {
        await using var probe = NpgsqlDataSource.Create(ConnectionStringTo("postgres") + ";Pooling=false;Timeout=5");
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                await using var connection = await probe.OpenConnectionAsync(cancel);
                // Another process's server may have answered, in which case ours is about to end.
                var answering = (await File.ReadAllLinesAsync(Path.Combine(_data, "postmaster.pid"), cancel))[0];
                if (answering == _server!.Id.ToString(CultureInfo.InvariantCulture))
                {
                    return;
                }
                await _server.WaitForExitAsync(cancel);
                throw new NpgsqlException("another server runs on this data");
            }
            catch (NpgsqlException) when (_server is { HasExited: false } && Stopwatch.GetElapsedTime(started) < StartTimeout)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancel);
            }
            catch (NpgsqlException e)
            {
                var words = string.Join(Environment.NewLine, _lastWords);
                var inUse = words.Contains("postmaster.pid", StringComparison.Ordinal)
                    ? $"{Environment.NewLine}Another process runs on this data. Stop it, or choose another folder: Database__DataFolder."
                    : "";
                throw new PrivatePostgresException($"The private PostgreSQL in {_data} does not start: {e.Message}{Environment.NewLine}{words}{inUse}");
            }
        }
    }

    private void Remember(string? line)
    {
        lock (_lastWords)
        {
            if (line is not null)
            {
                _lastWords.Enqueue(line);
            }
            while (_lastWords.Count > 20)
            {
                _lastWords.Dequeue();
            }
        }
    }

    private static Process Start(string[] command) => Process.Start(new ProcessStartInfo(command[0], command[1..])
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        // The account may not be able to read the folder this process happens to be in.
        WorkingDirectory = "/",
    })!;

    private static async Task RunAsync(string[] command, CancellationToken cancel)
    {
        using var process = Start(command);
        var output = process.StandardOutput.ReadToEndAsync(cancel);
        var error = await process.StandardError.ReadToEndAsync(cancel);
        await output;
        await process.WaitForExitAsync(cancel);
        if (process.ExitCode != 0)
        {
            throw new PrivatePostgresException($"'{string.Join(' ', command)}' failed with exit code {process.ExitCode}: {error.Trim()}");
        }
    }
}

/// <summary>The private PostgreSQL cannot run here; the message says what to do about it.</summary>
internal sealed class PrivatePostgresException(string message) : Exception(message);
