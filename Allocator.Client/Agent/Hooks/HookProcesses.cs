using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Allocator.Polling;

namespace Allocator.Client.Agent.Hooks;

/// <summary>
/// The processes of one run of a hook, wherever they went: who makes a session of their own, or loses their parent, is no
/// longer below the hook, but still has the variable that all of them inherit. Where the client may make control groups,
/// the hook has one; it also holds who cleared their environment, and the kernel ends them all, whoever they run as.
/// </summary>
internal sealed partial class HookProcesses : IDisposable
{
    private const string NotePrefix = "running-hook-";
    private const string Variable = "ALLOCATOR_HOOK_RUN";
    private const string GroupPrefix = "allocator-hook-";
    private const int Terminate = 15;
    private const int Kill = 9;

    /// <summary>How often it is looked whether they have ended: in real time, as processes know no other.</summary>
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    /// <summary>The client's own control group, which changes while a hook is started.</summary>
    private static readonly Lock Starting = new();

    private readonly string _run;

    /// <summary>A file that is there as long as the hook runs.</summary>
    private readonly string _note;

    /// <summary>Those found before, and when they started: who loses their parent while all are ended stays known.</summary>
    private readonly Dictionary<int, string> _known = [];

    private Process? _hook;
    private string? _group;

    /// <param name="folder">Where the next client finds what ran when this one was killed outright.</param>
    public HookProcesses(string folder)
        : this(folder, Guid.NewGuid().ToString("N"))
    {
    }

    private HookProcesses(string folder, string run) => (_run, _note) = (run, Path.Combine(folder, NotePrefix + run));

    /// <summary>Those of hooks that ran when a client was killed outright.</summary>
    public static IReadOnlyList<HookProcesses> LeftBehind(string folder)
    {
        try
        {
            var own = OwnGroup();
            return
            [
                .. Directory.GetFiles(folder, NotePrefix + "*").Select(note => Path.GetFileName(note)[NotePrefix.Length..])
                    .Select(run => new HookProcesses(folder, run) { _group = own is not null && Path.Combine(own, GroupPrefix + run) is var group && Directory.Exists(group) ? group : null }),
            ];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No state folder yet, or none that can be read.
            return [];
        }
    }

    /// <summary>Starts the hook.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">It cannot be started.</exception>
    public void Start(Process hook)
    {
        hook.StartInfo.Environment[Variable] = _run;
        try
        {
            PrivateFile.Write(_note, "", durably: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Only a client that is killed outright would need it.
        }
        lock (Starting)
        {
            // A process is born where its parent is, so the client goes there for a moment: the hook could have started
            // others before it is moved itself.
            var own = OwnGroup();
            var group = own is null ? null : EnterGroup(own);
            try
            {
                hook.Start();
            }
            finally
            {
                // Where the client cannot get out again, nobody must be killed with the group.
                _group = group is not null && Enter(own!) ? group : null;
            }
        }
        _hook = hook;
    }

    /// <summary>Ends them: by SIGTERM, and those that are left after the grace by SIGKILL.</summary>
    /// <returns>Those that could not be ended.</returns>
    public async Task<IReadOnlyCollection<int>> EndAsync(TimeSpan grace, TimeProvider time)
    {
        foreach (var process in Alive())
        {
            _ = Send(process, Terminate);
        }
        var started = time.GetTimestamp();
        while (Alive().Count > 0 && time.GetElapsedTime(started) < grace)
        {
            await Task.Delay(Look, TimeProvider.System);
        }
        started = time.GetTimestamp();
        // Again and again: one that is being ended may just have started another.
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
            await Task.Delay(Look, TimeProvider.System);
        }
        return [];
    }

    public void Dispose()
    {
        try
        {
            File.Delete(_note);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Then the next client looks for what is not there.
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
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var id) && ReadStat(folder) is { } process)
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
            // One more generation.
        }
        foreach (var id in found.Where(all.ContainsKey))
        {
            _known[id] = all[id].StartedAt;
        }
        return found;
    }

    /// <summary>Null for who has ended and only waits for its parent to notice.</summary>
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
            // It has just ended, or is another user's.
            return [];
        }
    }

    private HashSet<int> ReadGroup()
    {
        try
        {
            return _group is null ? [] : [.. File.ReadLines(Path.Combine(_group, "cgroup.procs")).Select(line => int.Parse(line, CultureInfo.InvariantCulture))];
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
            // A kernel before 5.14: its members are signalled one by one.
        }
    }

    /// <summary>The folder of the control group (version 2) that the client is in.</summary>
    private static string? OwnGroup()
    {
        try
        {
            var path = File.ReadLines("/proc/self/cgroup").FirstOrDefault(line => line.StartsWith("0::/", StringComparison.Ordinal))?["0::/".Length..];
            var root = new[] { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" }.FirstOrDefault(root => File.Exists(Path.Combine(root, "cgroup.procs")));
            return path is null || root is null ? null : Path.Combine(root, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Makes a control group within this one, and goes there. Null if the client may not.</summary>
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
            // Something that a successful hook left on purpose lives in it.
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Send(int process, int signal);
}
