using System.Globalization;
using System.Runtime.InteropServices;

namespace Allocator.Bench;

/// <summary>
/// What a process uses of the machine, or a process together with its descendants, such as those of PostgreSQL. Each property is
/// read from /proc when it is used; processes that end meanwhile are skipped.
/// </summary>
internal sealed class ProcessUsage
{
    private readonly int _pid;
    private readonly bool _withDescendants;

    private ProcessUsage(int pid, bool withDescendants) => (_pid, _withDescendants) = (pid, withDescendants);

    /// <summary>
    /// Processor time so far, user and system, with that of threads and of descendants that have ended. Exact to the
    /// microsecond for those that run; that of ended descendants is known in ticks of 10 ms.
    /// </summary>
    public TimeSpan Cpu
    {
        get
        {
            if (!_withDescendants)
            {
                return Clock(_pid) ?? throw Gone();
            }
            while (true)
            {
                // A process that ends between the two readings would count twice or not at all: read again.
                var ended = CpuOfEndedChildren(_pid);
                var processes = Processes();
                var cpu = processes.Aggregate(TimeSpan.Zero, (sum, pid) => sum + (Clock(pid) ?? TimeSpan.Zero))
                    + processes.Where(pid => pid != _pid).Aggregate(TimeSpan.Zero, (sum, pid) => sum + CpuOfEndedChildren(pid));
                if (CpuOfEndedChildren(_pid) == ended && processes.All(pid => Clock(pid) is not null))
                {
                    return cpu + ended;
                }
            }
        }
    }

    /// <summary>Gets the resident bytes; shared ones count fully in each process.</summary>
    public long Resident => Sum(pid => Kilobytes(pid, "status", "VmRSS"));

    /// <summary>Gets the peak of the resident bytes.</summary>
    public long PeakResident => Sum(pid => Kilobytes(pid, "status", "VmHWM"));

    /// <summary>Gets the resident bytes; shared ones are divided among the processes.</summary>
    public long Proportional => Sum(pid => Kilobytes(pid, "smaps_rollup", "Pss"));

    /// <summary>Gets the resident bytes that are not shared.</summary>
    public long Private => Sum(pid => Kilobytes(pid, "smaps_rollup", "Private_Clean", "Private_Dirty"));

    /// <summary>Gets the bytes of the page tables, which are in none of the other figures.</summary>
    public long PageTables => Sum(pid => Kilobytes(pid, "status", "VmPTE"));

    public int FileDescriptors => (int)Sum(pid => Directory.GetFileSystemEntries($"/proc/{pid}/fd").Length);

    /// <summary>Gets the limit of open file descriptors.</summary>
    public long FileDescriptorLimit => long.Parse(
        File.ReadLines($"/proc/{_pid}/limits").First(line => line.StartsWith("Max open files", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[3],
        CultureInfo.InvariantCulture);

    public static ProcessUsage Of(int pid) => new(pid, withDescendants: false);

    public static ProcessUsage OfTree(int pid) => new(pid, withDescendants: true);

    /// <summary>Returns the parent of a process; for a database backend it is the postmaster.</summary>
    public static int ParentOf(int pid) =>
        int.Parse(Stat(pid)?[Parent] ?? throw new ArgumentException($"There is no process {pid}."), CultureInfo.InvariantCulture);

    // Places in /proc/<pid>/stat, counted from the one after the program's name, which may hold anything.
    private const int Parent = 1;
    private const int ChildrenUser = 13;
    private const int ChildrenSystem = 14;
    private const int TicksPerSecond = 100;

    private static string[]? Stat(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static TimeSpan CpuOfEndedChildren(int pid) => Stat(pid) is { } stat
        ? TimeSpan.FromSeconds(
            (double.Parse(stat[ChildrenUser], CultureInfo.InvariantCulture)
                + double.Parse(stat[ChildrenSystem], CultureInfo.InvariantCulture)) / TicksPerSecond)
        : TimeSpan.Zero;

    /// <summary>Returns the processor time including ended threads, or null if the process has ended.</summary>
    private static TimeSpan? Clock(int pid)
    {
        // How the kernel names the clock of another process: include/linux/posix-timers_types.h, CPUCLOCK_SCHED.
        var clock = (~pid << 3) | 2;
        return clock_gettime(clock, out var time) == 0
            ? new TimeSpan((time.Seconds * TimeSpan.TicksPerSecond) + (time.Nanoseconds / TimeSpan.NanosecondsPerTick))
            : null;
    }

    /// <summary>Returns the sum of the lines of this name in bytes.</summary>
    private static long Kilobytes(int pid, string file, params ReadOnlySpan<string> names)
    {
        var sum = 0L;
        foreach (var line in File.ReadLines($"/proc/{pid}/{file}"))
        {
            var colon = line.IndexOf(':');
            if (colon > 0 && names.Contains(line[..colon]))
            {
                sum += long.Parse(line.AsSpan(colon + 1, line.Length - colon - "kB".Length - 1).Trim(), CultureInfo.InvariantCulture) * 1024;
            }
        }
        return sum;
    }

    private long Sum(Func<int, long> value)
    {
        var sum = 0L;
        foreach (var pid in Processes())
        {
            try
            {
                sum += value(pid);
            }
            catch (IOException) when (_withDescendants)
            {
                // It ended in the meantime.
            }
        }
        return sum;
    }

    private List<int> Processes()
    {
        List<int> found = [_pid];
        if (!_withDescendants)
        {
            return found;
        }
        var children = Directory.EnumerateDirectories("/proc")
            .Select(folder => int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : 0)
            .Where(pid => pid > 0)
            .Select(pid => (Pid: pid, Stat: Stat(pid)))
            .Where(process => process.Stat is not null)
            .ToLookup(process => int.Parse(process.Stat![Parent], CultureInfo.InvariantCulture), process => process.Pid);
        for (var next = 0; next < found.Count; next++)
        {
            found.AddRange(children[found[next]]);
        }
        return found;
    }

    private InvalidOperationException Gone() => new($"The process {_pid} has ended.");

    [DllImport("libc")]
    private static extern int clock_gettime(int clock, out Timespec time);

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Timespec
    {
        public readonly long Seconds;
        public readonly long Nanoseconds;
    }
}
