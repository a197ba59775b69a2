using System.Text;
using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Reporters;

/// <summary>Reports whether the workshop's program is running.</summary>
internal sealed class InUseReporter(ClientOptions options, VmReports reports, TimeProvider time, Random random, ILogger<InUseReporter> log)
    : Reporter(TimeSpan.FromSeconds(30), time, random, log)
{
    protected override Task<bool> ObserveAsync(CancellationToken cancel)
    {
        reports.Report(new VmReport(InUse: IsRunning(options.ProcFolder, options.InUseProcess!)));
        return Task.FromResult(true);
    }

    /// <summary>
    /// Returns whether a process has this name, as its program or as the script that its program runs, such as
    /// <c>python3 /usr/bin/sleap-label</c>.
    /// </summary>
    internal static bool IsRunning(string procFolder, string name)
    {
        foreach (var process in Directory.EnumerateDirectories(procFolder).Where(folder => char.IsAsciiDigit(Path.GetFileName(folder)[0])))
        {
            try
            {
                var arguments = Encoding.UTF8.GetString(File.ReadAllBytes(Path.Combine(process, "cmdline"))).Split('\0', 3);
                if (arguments.Take(2).Any(argument => Path.GetFileName(argument) == name))
                {
                    return true;
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The process has just ended, or is hidden from this user.
            }
        }
        return false;
    }
}
