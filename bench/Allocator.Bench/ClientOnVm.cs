using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Allocator.Bench;

/// <summary>
/// Measures the resources of a VM that the client uses, and those of a minimal Python program that does the same: enrol,
/// report `running`, and poll. Several of each run at the same time, against identical servers.
/// </summary>
internal static class ClientOnVm
{
    private const int Pollers = 5;
    private const string EnrolmentToken = "bench-enrolment";

    private static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(100);

    /// <summary>The number of polls of a VM that polls every 15–30 s.</summary>
    private const double PollsPerHour = 3600 / 22.5;

    public static async Task<Table> RunAsync(Database database, bool full)
    {
        var starts = full ? 31 : 9;
        // With --full the run has as many polls as a VM makes in an hour. VMs poll every 1–2 s while few are free.
        var window = full ? TimeSpan.FromSeconds(PollsPerHour * 1.5) : TimeSpan.FromSeconds(15);
        var architecture = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "arm64" : "x64";
        var program = Path.GetFullPath($"artifacts/client/linux-{architecture}/allocator");
        string[] python = ["/usr/bin/python3", Path.GetFullPath("bench/poller.py")];

        await using var native = await Kind.StartAsync(database, "client_native", [program, "run"], "This VM is Free");
        await using var script = await Kind.StartAsync(database, "client_python", python, "this VM is free");
        for (var round = 0; round < starts; round++)
        {
            await native.MeasureStartAsync();
            await script.MeasureStartAsync();
        }
        await Task.WhenAll(native.StartPollersAsync(), script.StartPollersAsync());
        Kind[] both = [native, script];
        foreach (var kind in both)
        {
            await kind.BeginAsync();
        }
        var began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < window)
        {
            await Task.Delay(Slice, TimeProvider.System);
            foreach (var kind in both)
            {
                kind.LookAgain();
            }
        }
        foreach (var kind in both)
        {
            await kind.EndAsync();
        }
        var minutes = Stopwatch.GetElapsedTime(began).TotalMinutes * Pollers;

        var table = new Table(
            "The client on a VM",
            $"""
            Python is {await PrintedAsync("/usr/bin/python3", "--version")} with requests, in `bench/poller.py`: the minimum that
            enrols, reports `running`, and polls. Start: medians of {starts} starts in turn. Memory and processor: medians of {Pollers}
            of each at the same time, polling every 1–2 s for {window.TotalSeconds:0} s, {native.PollsEach:0} times each; a VM that
            polls every 15–30 s does so {PollsPerHour:0} times an hour. *Resident* includes memory that is shared with other programs;
            *private* is what would be free without the program. *Between polls* is the processor time in all but the two busiest tenths
            of a second of each poll; in it the client also reads GPU and disk. Both use the system's C library, and its OpenSSL if the
            address is https.
            """,
            ["", "`allocator`, native", "Python", "ratio"]);
        var size = new FileInfo(program).Length;
        var (files, loaded) = await LoadedByPythonAsync();
        Add("size", size, loaded + new FileInfo(python[1]).Length, bytes => $"{bytes / 1e6:0.0} MB");
        table.Add("… in files", "1", $"{files + 1}", "–");
        Add("start to the first line of its log", native.ToFirstLine, script.ToFirstLine, Milliseconds);
        Add("start to the first poll's answer", native.ToAnswer, script.ToAnswer, Milliseconds);
        Add("resident after the first polls", native.ResidentAtFirst, script.ResidentAtFirst, Megabytes);
        Add("resident at the end", native.Resident, script.Resident, Megabytes);
        Add("… private", native.Private, script.Private, Megabytes);
        Add("processor per poll", native.CpuPerPoll, script.CpuPerPoll, milliseconds => $"{milliseconds:0.00} ms");
        Add("processor between polls, per minute", native.CpuBetween / minutes, script.CpuBetween / minutes, milliseconds =>
            $"{milliseconds:0.00} ms");
        return table;

        void Add(string what, double ours, double theirs, Func<double, string> text) =>
            table.Add(what, text(ours), text(theirs), theirs > 0 ? (ours / theirs).ToString("0.00", CultureInfo.InvariantCulture) : "–");

        static string Milliseconds(double time) => $"{time:0} ms";
        static string Megabytes(double bytes) => $"{bytes / 1e6:0.0} MB";
    }

    /// <summary>Returns the number and size of the interpreter and all modules that the poller loads.</summary>
    private static async Task<(int Files, long Bytes)> LoadedByPythonAsync()
    {
        var printed = await PrintedAsync("/usr/bin/python3", "-c",
            """
            import os, random, re, sys, time, requests
            files = {getattr(module, "__cached__", None) or getattr(module, "__file__", None) for module in list(sys.modules.values())}
            files = [file for file in files | {os.path.realpath(sys.executable)} if file and os.path.isfile(file)]
            print(len(files), sum(map(os.path.getsize, files)))
            """);
        var numbers = printed.Split(' ').Select(text => long.Parse(text, CultureInfo.InvariantCulture)).ToArray();
        return ((int)numbers[0], numbers[1]);
    }

    private static async Task<string> PrintedAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        var printed = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return printed.Trim();
    }

    /// <summary>One of the two programs, its server, and its figures.</summary>
    private sealed class Kind : IAsyncDisposable
    {
        private readonly Server _server;
        private readonly HttpClient _http;
        private readonly string[] _command;
        private readonly string _answered;
        private readonly string _folder = Directory.CreateTempSubdirectory("allocator-bench-client-").FullName;
        private readonly List<(double ToFirstLine, double ToAnswer)> _starts = [];
        private readonly List<Poller> _pollers = [];
        private long _pollsBefore;
        private long _pollsAfter;

        private Kind(Server server, string[] command, string answered) =>
            (_server, _http, _command, _answered) = (server, new HttpClient { BaseAddress = server.Address }, command, answered);

        public double ToFirstLine => _starts.Median(start => start.ToFirstLine);

        public double ToAnswer => _starts.Median(start => start.ToAnswer);

        public double ResidentAtFirst { get; private set; }

        public double Resident { get; private set; }

        public double Private { get; private set; }

        public double PollsEach => (_pollsAfter - _pollsBefore) / (double)Pollers;

        /// <summary>Gets the processor time per poll in milliseconds.</summary>
        public double CpuPerPoll => _pollers.Sum(poller => poller.Cpu.TotalMilliseconds) / (_pollsAfter - _pollsBefore);

        /// <summary>Gets the processor time between polls of all pollers in milliseconds.</summary>
        public double CpuBetween => _pollers.Sum(poller => poller.QuietCpu((int)Math.Ceiling(PollsEach)).TotalMilliseconds);

        /// <param name="answered">The text that the program prints when its first poll is answered.</param>
        public static async Task<Kind> StartAsync(Database database, string name, string[] command, string answered)
        {
            var connectionString = await database.CreateAsync(name);
            await Database.FillAsync(connectionString, _ => Task.CompletedTask);
            var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(EnrolmentToken)));
            return new Kind(
                // Only the pollers are measured, not the server.
                await Server.StartApiOnAsync(Server.SecondCore, connectionString, KeyValuePair.Create("Enrolment__TokenHashes__1", hash)), command,
                    answered);
        }

        /// <summary>Measures one start of a new VM.</summary>
        public async Task MeasureStartAsync()
        {
            using var poller = Start("vm-0", keepsNothing: true);
            var first = await poller.SaysAsync("");
            var answer = await poller.SaysAsync(_answered);
            _starts.Add((first.TotalMilliseconds, answer.TotalMilliseconds));
        }

        public async Task StartPollersAsync()
        {
            for (var vm = 1; vm <= Pollers; vm++)
            {
                _pollers.Add(Start($"vm-{vm}", keepsNothing: false));
            }
            foreach (var poller in _pollers)
            {
                await poller.SaysAsync(_answered);
            }
            // The first poll with If-None-Match differs from the very first poll.
            var polls = await PollsAsync();
            while (await PollsAsync() < polls + (2 * Pollers))
            {
                await Task.Delay(Slice, TimeProvider.System);
            }
        }

        public async Task BeginAsync()
        {
            ResidentAtFirst = _pollers.Median(poller => poller.Usage.Resident);
            _pollsBefore = await PollsAsync();
            foreach (var poller in _pollers)
            {
                poller.Begin();
            }
        }

        public void LookAgain()
        {
            foreach (var poller in _pollers)
            {
                poller.LookAgain();
            }
        }

        public async Task EndAsync()
        {
            LookAgain();
            _pollsAfter = await PollsAsync();
            Resident = _pollers.Median(poller => poller.Usage.Resident);
            Private = _pollers.Median(poller => poller.Usage.Private);
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var poller in _pollers)
            {
                poller.Dispose();
            }
            _http.Dispose();
            await _server.DisposeAsync();
            Directory.Delete(_folder, recursive: true);
        }

        private async Task<long> PollsAsync() => (await _http.GetStringAsync("/metrics")).Split('\n')
            .Where(line => line.StartsWith("allocator_polls_total{", StringComparison.Ordinal))
            .Sum(line => long.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

        private Poller Start(string hostname, bool keepsNothing)
        {
            var state = Path.Combine(_folder, hostname);
            if (keepsNothing && Directory.Exists(state))
            {
                Directory.Delete(state, recursive: true);
            }
            Directory.CreateDirectory(state);
            return new Poller(_command, new Dictionary<string, string>
            {
                ["ALLOCATOR_Url"] = _server.Address.ToString(),
                ["ALLOCATOR_Hostname"] = hostname,
                ["ALLOCATOR_MachineId"] = hostname,
                ["ALLOCATOR_EnrolmentToken"] = EnrolmentToken,
                ["ALLOCATOR_StateFolder"] = state,
                ["ALLOCATOR_FirstPollWithin"] = "00:00:00",
            });
        }
    }

    /// <summary>A running poller.</summary>
    private sealed class Poller : IDisposable
    {
        private readonly long _started = Stopwatch.GetTimestamp();
        private readonly Process _process;
        private readonly List<TimeSpan> _slices = [];
        private TimeSpan _before;
        private TimeSpan _lastSeen;

        public Poller(string[] command, Dictionary<string, string> environment)
        {
            var start = new ProcessStartInfo("taskset", ["-c", Server.FirstCore, .. command]) { RedirectStandardOutput = true };
            foreach (var (key, value) in environment)
            {
                start.Environment[key] = value;
            }
            _process = Process.Start(start)!;
            Usage = ProcessUsage.Of(_process.Id);
        }

        public ProcessUsage Usage { get; }

        /// <summary>Gets the processor time since <c>Begin</c>.</summary>
        public TimeSpan Cpu => _lastSeen - _before;

        /// <summary>Returns the time from its start until it prints a line with these words.</summary>
        public async Task<TimeSpan> SaysAsync(string words)
        {
            while (await _process.StandardOutput.ReadLineAsync() is { } line)
            {
                if (line.Contains(words, StringComparison.Ordinal))
                {
                    return Stopwatch.GetElapsedTime(_started);
                }
            }
            throw new InvalidOperationException($"It ended without printing '{words}'.");
        }

        public void Begin() => _before = _lastSeen = Usage.Cpu;

        public void LookAgain()
        {
            var now = Usage.Cpu;
            _slices.Add(now - _lastSeen);
            _lastSeen = now;
        }

        /// <summary>A poll may fall into two slices; the remaining slices have none.</summary>
        public TimeSpan QuietCpu(int polls) => _slices.Order().SkipLast(2 * polls).Aggregate(TimeSpan.Zero, (sum, slice) => sum + slice);

        public void Dispose()
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
            _process.Dispose();
        }
    }
}
