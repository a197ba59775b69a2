using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Reporters;

/// <summary>
/// When the client is stopped: says that the VM reboots, where that is why. One that is switched off says nothing, for
/// it does not come back by itself.
/// </summary>
internal sealed partial class ShutdownReporter(ClientOptions options, VmReports reports, Programs programs, ILogger<ShutdownReporter> log) : IHostedService
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    /// <summary>Of systemd: the targets that it is about to reach, where those mean a new start.</summary>
    private static readonly string[] Restarts = ["reboot.target", "kexec.target", "soft-reboot.target"];

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (await IsRebootingAsync(cancellationToken))
            {
                Log.Reboots(log);
                reports.Report(new VmReport(VmStatus.Rebooting));
            }
        }
        catch (OperationCanceledException)
        {
            // The client has to end now.
        }
    }

    private async Task<bool> IsRebootingAsync(CancellationToken cancel)
    {
        var jobs = await programs.AskAsync([options.SystemctlProgram, "list-jobs", "--no-legend", "--plain"], Timeout, cancel);
        return jobs.Printed.Split('\n').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Any(job => job.Intersect(Restarts).Any() && job.Contains("start"));
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "The machine reboots")]
        public static partial void Reboots(ILogger log);
    }
}
