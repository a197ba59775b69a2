using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Allocator.DevDatabase;

/// <summary>
/// A private PostgreSQL server for development and tests. It runs the installed server's binaries on a data folder that
/// is kept between runs, and listens only on a unix socket that only its owner can reach. It ends with this process, even
/// when the process is killed.
/// </summary>
internal sealed class PrivatePostgres : IAsyncDisposable
{
    private const int MinVersion = 15;
    private const string Owner = "allocator";
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);

    private readonly string _binaries;
    private readonly string _data;
    private readonly string _socket;
    private readonly string[] _settings;
    private readonly Queue<string> _lastLines = new();
    private Process? _server;

    private PrivatePostgres(string binaries, string folder, string[] settings)
    {
        _binaries = binaries;
        _settings = settings;
        _data = Path.Combine(folder, "postgres");
        // The path of a socket has at most 107 bytes, so the socket cannot be placed in the data folder.
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(_data));
        _socket = Path.Combine(Path.GetTempPath(), "allocator-" + Convert.ToHexStringLower(hash.AsSpan(0, 6)));
    }

    /// <summary>Gets the connection string of the database <c>allocator</c> on this server.</summary>
    public string ConnectionString => ConnectionStringTo("allocator");

    /// <summary>Starts a server on the data in <paramref name="folder"/>, which is created if it does not exist.</summary>
    /// <param name="settings">Further settings of the server, as <c>name=value</c>.</param>
    /// <exception cref="PrivatePostgresException">The server cannot run here; the message says what to do.</exception>
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
        await CreateSocketFolderAsync(cancel);
        if (!File.Exists(Path.Combine(_data, "PG_VERSION")) && !Directory.Exists(Path.Combine(_data, "base")))
        {
            // Created under another name and renamed when complete, so that an interrupted initdb is never mistaken for data.
            var unfinished = _data + ".new";
            await RunAsync(["rm", "-rf", unfinished], cancel);
            await CreateFolderAsync(unfinished, cancel);
            await RunAsync(
                [.. AsOwner(), Binary("initdb"), "-D", unfinished, "-U", Owner, "-E", "UTF8", "--locale=C.UTF-8", "--auth=trust", "--no-sync"],
                cancel);
            await RunAsync(["mv", "-T", unfinished, _data], cancel);
        }
        StartServer();
        await WaitUntilReadyAsync(cancel);
        await CreateDatabaseAsync("allocator", cancel);
    }

    /// <summary>Stops the server and keeps its data.</summary>
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
            // The server has removed its socket; remove the folder too.
            Directory.Delete(_socket);
        }
        catch (IOException)
        {
            // The folder is gone already, or contains files of someone else.
        }
    }

    /// <summary>Returns the connection string of one database on this server.</summary>
    public string ConnectionStringTo(string database) =>
        new NpgsqlConnectionStringBuilder { Host = _socket, Username = Owner, Database = database }.ConnectionString;

    public async Task CreateDatabaseAsync(string name, CancellationToken cancel = default)
    {
        await using var admin = NpgsqlDataSource.Create(ConnectionStringTo("postgres") + ";Pooling=false");
        await using var find = admin.CreateCommand("select 1 from pg_database where datname = $1");
        find.Parameters.Add(new() { Value = name });
        if (await find.ExecuteScalarAsync(cancel) is null)
        {
            await using var create = admin.CreateCommand($"create database \"{name}\"");
            await create.ExecuteNonQueryAsync(cancel);
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
            .FirstOrDefault(folder => Version(folder) >= MinVersion)
            ?? throw new PrivatePostgresException(
                $"""
                PostgreSQL {MinVersion} or newer is not installed, so a private database cannot be started.
                Install it:                    apt-get install -y postgresql
                Or use an existing server:     Database__ConnectionString='Host=…;Database=…;Username=…;Password=…' Allocator.Api
                """);

        // Debian names the folders after the version; elsewhere the binary prints it.
        static int Version(string folder)
        {
            var parent = Path.GetFileName(Path.GetDirectoryName(folder));
            if (int.TryParse(parent, NumberStyles.None, CultureInfo.InvariantCulture, out var version))
            {
                return version;
            }
            try
            {
                using var process = Start([Path.Combine(folder, "postgres"), "--version"]);
                var words = process.StandardOutput.ReadToEnd().Split(' ', '.');
                return words.Select(word => int.TryParse(word, out var number) ? number : 0).FirstOrDefault(number => number > 0);
            }
            catch (Win32Exception)
            {
                // A file of this name that is not a program.
                return 0;
            }
        }
    }

    private string Binary(string name) => Path.Combine(_binaries, name);

    /// <summary>
    /// Returns the command prefix that runs the server as its owner. The server refuses to run as root, so root runs it as
    /// the account that the package created. Where that account cannot enter a parent folder of the data, it also gets the
    /// capability to do so (CAP_DAC_OVERRIDE).
    /// </summary>
    private string[] AsOwner(params string[] more)
    {
        if (!Environment.IsPrivilegedProcess)
        {
            return ["setpriv", .. more];
        }
        string[] asPostgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", .. more];
        return IsOpenToAll(Path.GetDirectoryName(_data)!)
            ? asPostgres
            : [.. asPostgres, "--inh-caps=+dac_override", "--ambient-caps=+dac_override"];

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

    /// <summary>
    /// Creates the folder of the socket, whose place every user can predict and write to: a link or a folder of another
    /// user that is there already is refused. What belongs to the server's account, nobody else can replace there.
    /// </summary>
    private async Task CreateSocketFolderAsync(CancellationToken cancel)
    {
        try
        {
            await RunAsync(["mkdir", "-m", "0700", "--", _socket], cancel);
            if (Environment.IsPrivilegedProcess)
            {
                await RunAsync(["chown", "--no-dereference", "postgres:postgres", "--", _socket], cancel);
            }
        }
        catch (PrivatePostgresException) when (Path.Exists(_socket) || new FileInfo(_socket).LinkTarget is not null)
        {
            // Left by a server that was killed, or made by somebody else.
        }
        var owner = Environment.IsPrivilegedProcess ? "postgres" : Environment.UserName;
        var actual = await RunAsync(["stat", "--format=%F, %U, %a", "--", _socket], cancel);
        if (actual.Trim() != $"directory, {owner}, 700")
        {
            throw new PrivatePostgresException(
                $"The socket of the private PostgreSQL needs {_socket} as a folder that only '{owner}' may enter, but it is: {actual.Trim()}. "
                + $"Remove it: rm -rf {_socket}");
        }
    }

    /// <summary>Creates a folder that only the server's account can enter.</summary>
    private static Task CreateFolderAsync(string path, CancellationToken cancel)
    {
        string[] ownedBy = Environment.IsPrivilegedProcess ? ["-o", "postgres", "-g", "postgres"] : [];
        return RunAsync(["install", "-d", "-m", "0700", .. ownedBy, path], cancel);
    }

    private void StartServer()
    {
        // PR_SET_PDEATHSIG follows the thread that starts the server, not the process, so that thread must stay alive.
        using var started = new ManualResetEventSlim();
        Exception? failure = null;
        var keeper = new Thread(() =>
        {
            try
            {
                _server = Start(
                [
                    // A session of its own: the Ctrl-C that stops this process must not stop the server first.
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

    private async Task WaitUntilReadyAsync(CancellationToken cancel)
    {
        await using var probe = NpgsqlDataSource.Create(ConnectionStringTo("postgres") + ";Pooling=false;Timeout=5");
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                await using var connection = await probe.OpenConnectionAsync(cancel);
                // The server of another process may have answered; in that case ours is about to end.
                var answeringId = (await File.ReadAllLinesAsync(Path.Combine(_data, "postmaster.pid"), cancel))[0];
                if (answeringId == _server!.Id.ToString(CultureInfo.InvariantCulture))
                {
                    return;
                }
                await _server.WaitForExitAsync(cancel);
                throw new NpgsqlException("another server uses this data");
            }
            catch (NpgsqlException) when (_server is { HasExited: false } && Stopwatch.GetElapsedTime(started) < StartTimeout)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancel);
            }
            catch (NpgsqlException e)
            {
                var output = string.Join(Environment.NewLine, _lastLines);
                var inUse = output.Contains("postmaster.pid", StringComparison.Ordinal)
                    ? $"{Environment.NewLine}Another process uses this data. Stop it, or choose another folder (run.sh: --data FOLDER)."
                    : "";
                throw new PrivatePostgresException(
                    $"The private PostgreSQL in {_data} does not start: {e.Message}{Environment.NewLine}{output}{inUse}");
            }
        }
    }

    private void Remember(string? line)
    {
        lock (_lastLines)
        {
            if (line is not null)
            {
                _lastLines.Enqueue(line);
            }
            while (_lastLines.Count > 20)
            {
                _lastLines.Dequeue();
            }
        }
    }

    private static Process Start(string[] command) => Process.Start(new ProcessStartInfo(command[0], command[1..])
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        // The account may be unable to read the current folder.
        WorkingDirectory = "/",
    })!;

    /// <summary>Runs a program that must succeed, and returns its output.</summary>
    private static async Task<string> RunAsync(string[] command, CancellationToken cancel)
    {
        using var process = Start(command);
        var output = process.StandardOutput.ReadToEndAsync(cancel);
        var error = await process.StandardError.ReadToEndAsync(cancel);
        var printed = await output;
        await process.WaitForExitAsync(cancel);
        if (process.ExitCode != 0)
        {
            throw new PrivatePostgresException($"'{string.Join(' ', command)}' failed with exit code {process.ExitCode}: {error.Trim()}");
        }
        return printed;
    }
}

/// <summary>The exception for a private PostgreSQL that cannot run here; its message says what to do.</summary>
internal sealed class PrivatePostgresException(string message) : Exception(message);
