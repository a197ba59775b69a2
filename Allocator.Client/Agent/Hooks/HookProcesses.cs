using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Allocator.Polling;

namespace Allocator.Client.Agent.Hooks;

/// <summary>
/// Finds and ends the processes of one run of a hook. A process that called setsid or was re-parented is no longer a
/// descendant of the hook, but it still carries the environment variable that the client set. Where the client may create
/// control groups, the hook also gets one: it holds processes that cleared their environment, and the kernel can kill all
/// of its members, whatever user they run as.
/// </summary>
internal sealed partial class HookProcesses : IDisposable
{
    private const string MarkerPrefix = "running-hook-";
    private const string Variable = "ALLOCATOR_HOOK_RUN";
    private const string GroupPrefix = "allocator-hook-";
    private const int Terminate = 15;
    private const int Kill = 9;

    /// <summary>The interval of checks whether processes have ended, in real time: processes do not follow TimeProvider.</summary>
    private static readonly TimeSpan CheckInterval = TimeSpan.FromMilliseconds(20);

    /// <summary>Guards the client's own control group, which changes while a hook is started.</summary>
    private static readonly Lock Starting = new();

    private readonly string _run;

    /// <summary>The path of a file that exists while the hook runs, so that the next client finds a hook that was orphaned.</summary>
    private readonly string _marker;

    /// <summary>The start times of processes found before, so that one that loses its parent during termination is still found.</summary>
    private readonly Dictionary<int, string> _known = [];

    private Process? _hook;
    private string? _group;

    /// <param name="folder">The folder for the marker file.</param>
    public HookProcesses(string folder)
        : this(folder, Guid.NewGuid().ToString("N"))
    {
    }

    private HookProcesses(string folder, string run) => (_run, _marker) = (run, Path.Combine(folder, MarkerPrefix + run));

    /// <summary>Returns the processes of each hook that was running when a client was killed.</summary>
    public static IReadOnlyList<HookProcesses> FindOrphaned(string folder)
    {
        try
        {
            var own = OwnGroup();
            return
            [
                .. Directory.GetFiles(folder, MarkerPrefix + "*").Select(marker =>
                {
                    var run = Path.GetFileName(marker)[MarkerPrefix.Length..];
                    var group = own is null ? null : Path.Combine(own, GroupPrefix + run);
                    return new HookProcesses(folder, run) { _group = Directory.Exists(group) ? group : null };
                }),
            ];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The state folder does not exist yet, or cannot be read.
            return [];
        }
    }

    /// <exception cref="System.ComponentModel.Win32Exception">The hook cannot be started.</exception>
    public void Start(Process hook)
    {
        hook.StartInfo.Environment[Variable] = _run;
        try
        {
            PrivateFile.Write(_marker, "", durably: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The marker is needed only if the client is killed.
        }
        lock (Starting)
        {
            // A process starts in the group of its parent. The client enters the group for a moment instead of moving the
            // hook afterwards, when it could already have started others.
            var own = OwnGroup();
            var group = own is null ? null : EnterGroup(own);
            try
            {
                hook.Start();
            }
            finally
            {
                // If the client cannot leave the group, the group must not be killed.
                _group = group is not null && Enter(own!) ? group : null;
            }
        }
        _hook = hook;
    }

    /// <summary>Sends SIGTERM, and SIGKILL to the processes that remain after the grace period.</summary>
    /// <returns>The processes that could not be ended.</returns>
    public async Task<IReadOnlyCollection<int>> TerminateAsync(TimeSpan grace, TimeProvider time)
    {
        foreach (var process in Alive())
        {
            _ = Send(process, Terminate);
        }
        var started = time.GetTimestamp();
        while (Alive().Count > 0 && time.GetElapsedTime(started) < grace)
        {
            await Task.Delay(CheckInterval, TimeProvider.System);
        }
        started = time.GetTimestamp();
        // Repeated, since a process may start another one just before it is killed.
        while (Alive() is { Count: > 0 } alive)
        {
            if (time.GetElapsedTime(started) >= grace)
            {
                return alive;
            }
            KillGroup();
            foreach (var process in alive)
            {
                _ = Send(process, Kill);
            }
            await Task.Delay(CheckInterval, TimeProvider.System);
        }
        return [];
    }

    public void Dispose()
    {
        try
        {
            File.Delete(_marker);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next client then finds no process for this marker.
        }
        if (_group is not null)
        {
            RemoveGroup(_group);
        }
    }

    private HashSet<int> Alive()
    {
        var found = new HashSet<int>();
        if (_hook is { HasExited: false })
        {
            found.Add(_hook.Id);
        }
        var members = ReadGroup();
        var mark = Encoding.ASCII.GetBytes($"{Variable}={_run}");
        var all = new Dictionary<int, (int Parent, string StartedAt)>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var id)
                && ReadStat(folder) is { } process)
            {
                all.Add(id, process);
                if (members.Contains(id) || _known.GetValueOrDefault(id) == process.StartedAt || ReadEnvironment(folder).AsSpan().IndexOf(mark) >= 0)
                {
                    found.Add(id);
                }
            }
        }
        while (all.Any(process => found.Contains(process.Value.Parent) && found.Add(process.Key)))
        {
            // Repeated until no further generation of descendants is found.
        }
        foreach (var id in found.Where(all.ContainsKey))
        {
            _known[id] = all[id].StartedAt;
        }
        return found;
    }

    /// <summary>Reads parent and start time; returns null for a process that has ended.</summary>
    private static (int Parent, string StartedAt)? ReadStat(string folder)
    {
        try
        {
            // The name, in brackets, may hold anything; after it come fields 3 (the state), 4 (the parent) and so on.
            var stat = File.ReadAllText(Path.Combine(folder, "stat"));
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[3 - 3] is "Z" or "X" ? null : (int.Parse(fields[4 - 3], CultureInfo.InvariantCulture), fields[22 - 3]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static byte[] ReadEnvironment(string folder)
    {
        try
        {
            return File.ReadAllBytes(Path.Combine(folder, "environ"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The process has just ended, or belongs to another user.
            return [];
        }
    }

    private HashSet<int> ReadGroup()
    {
        try
        {
            return _group is null
                ? []
                : [.. File.ReadLines(Path.Combine(_group, "cgroup.procs")).Select(line => int.Parse(line, CultureInfo.InvariantCulture))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private void KillGroup()
    {
        try
        {
            if (_group is not null)
            {
                File.WriteAllText(Path.Combine(_group, "cgroup.kill"), "1");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Kernels before 5.14 cannot do this; the members are signalled one by one.
        }
    }

    /// <summary>Returns the folder of the control group (version 2) that the client is in.</summary>
    private static string? OwnGroup()
    {
        try
        {
            const string prefix = "0::/";
            var path = File.ReadLines("/proc/self/cgroup")
                .FirstOrDefault(line => line.StartsWith(prefix, StringComparison.Ordinal))?[prefix.Length..];
            var root = new[] { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" }.FirstOrDefault(root => File.Exists(Path.Combine(root, "cgroup.procs")));
            return path is null || root is null ? null : Path.Combine(root, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Creates a control group within the client's own and enters it; returns null if the client may not.</summary>
    private string? EnterGroup(string own)
    {
        var group = Path.Combine(own, GroupPrefix + _run);
        try
        {
            foreach (var former in Directory.GetDirectories(own, GroupPrefix + "*"))
            {
                RemoveGroup(former);
            }
            Directory.CreateDirectory(group);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
        if (Enter(group))
        {
            return group;
        }
        RemoveGroup(group);
        return null;
    }

    private static bool Enter(string group)
    {
        try
        {
            File.WriteAllText(Path.Combine(group, "cgroup.procs"), $"{Environment.ProcessId}");
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static void RemoveGroup(string group)
    {
        try
        {
            Directory.Delete(group);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Processes that a successful hook left on purpose are in it.
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Send(int process, int signal);
}
