using System.Globalization;
using Allocator.Client.Agent.Status;
using Allocator.Polling;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Systemd;

/// <summary>
/// Sends systemd the client's status, and notifies its watchdog while the poll loop keeps its own schedule. A loop that waits
/// for an unreachable allocator keeps it; a loop that hangs does not, and systemd restarts the client.
/// </summary>
internal sealed partial class SystemdNotifications(
    ISystemdNotifier systemd, StatusWriter status, ClientOptions options, TimeProvider time, ILogger<SystemdNotifications> log) : BackgroundService
{
    private static readonly TimeSpan MaxInterval = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // A round consists of several requests (enrol, report, poll), each with its own timeout.
        var timeout = TimeSpan.FromSeconds(30) + (12 * options.RequestTimeout);
        using var timer = new PeriodicTimer(Interval(), time);
        var isLate = false;
        string? sent = null;
        do
        {
            if (status.Overdue > timeout)
            {
                if (!isLate)
                {
                    Log.Hangs(log, status.Overdue);
                }
                isLate = true;
                systemd.Notify(new ServiceState("STATUS=the poll loop hangs; the watchdog will end it"));
                continue;
            }
            isLate = false;
            systemd.Notify(new ServiceState("WATCHDOG=1"));
            var line = StatusText.Line(status.Current, time);
            if (line != sent)
            {
                systemd.Notify(new ServiceState($"STATUS={sent = line}"));
            }
        }
        while (await NextAsync(timer, stoppingToken));
    }

    /// <summary>Returns a third of the watchdog's time, or less so that the status stays current.</summary>
    private static TimeSpan Interval() =>
        long.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), CultureInfo.InvariantCulture, out var microseconds) && microseconds > 0
            && TimeSpan.FromMicroseconds(microseconds) / 3 is var third && third < MaxInterval
            ? third
            : MaxInterval;

    private static async Task<bool> NextAsync(PeriodicTimer timer, CancellationToken cancel)
    {
        try
        {
            return await timer.WaitForNextTickAsync(cancel);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Critical,
            Message = "The poll loop hangs: its next poll is {Overdue} overdue. The systemd watchdog will end the client")]
        public static partial void Hangs(ILogger log, TimeSpan overdue);
    }
}
