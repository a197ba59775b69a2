using Allocator.Client.Agent.Processes;
using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Reporters;

/// <summary>
/// Reports <c>rebooting</c> when the service stops because of a reboot. A power-off is not reported, since the VM does not
/// come back by itself.
/// </summary>
internal sealed partial class ShutdownReporter(
    ClientOptions options, VmReports reports, ProgramRunner programs, ILogger<ShutdownReporter> log) : IHostedService
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    /// <summary>The systemd targets that lead to a new start.</summary>
    private static readonly string[] Restarts = ["reboot.target", "kexec.target", "soft-reboot.target"];

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (await IsRebootingAsync(cancellationToken))
            {
                Log.Rebooting(log);
                reports.Report(new VmReport(VmStatus.Rebooting));
            }
        }
        catch (OperationCanceledException)
        {
            // The host does not wait any longer.
        }
    }

    private async Task<bool> IsRebootingAsync(CancellationToken cancel)
    {
        var jobs = await programs.RunAsync([options.SystemctlProgram, "list-jobs", "--no-legend", "--plain"], Timeout, cancel);
        return jobs.Output.Split('\n').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Any(job => job.Intersect(Restarts).Any() && job.Contains("start"));
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "The machine is rebooting")]
        public static partial void Rebooting(ILogger log);
    }
}
