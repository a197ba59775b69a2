using System.Globalization;
using Allocator.Client.Agent.Status;
using Allocator.Polling;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Systemd;

/// <summary>
/// Tells systemd how the client is, and that it lives: only while the poll loop keeps the times that it set itself. A loop
/// that waits for an allocator that is away keeps them; one that hangs does not, and systemd starts the client anew.
/// </summary>
internal sealed partial class SystemdNotifications(
    ISystemdNotifier systemd, StatusWriter status, ClientOptions options, TimeProvider time, ILogger<SystemdNotifications> log) : BackgroundService
{
    private static readonly TimeSpan Often = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Enrolling, reporting and polling are requests one after the other, each with its own timeout.
        var patience = TimeSpan.FromSeconds(30) + (12 * options.RequestTimeout);
        using var timer = new PeriodicTimer(Interval(), time);
        var isLate = false;
        string? said = null;
        do
        {
            if (status.Overdue > patience)
            {
                if (!isLate)
                {
                    Log.Hangs(log, status.Overdue);
                }
                isLate = true;
                systemd.Notify(new ServiceState("STATUS=the poll loop hangs; the watchdog ends it"));
                continue;
            }
            isLate = false;
            systemd.Notify(new ServiceState("WATCHDOG=1"));
            var line = StatusText.Line(status.Current, time);
            if (line != said)
            {
                systemd.Notify(new ServiceState($"STATUS={said = line}"));
            }
        }
        while (await NextAsync(timer, stoppingToken));
    }

    /// <summary>Thrice within the watchdog's time, and often enough for whoever looks.</summary>
    private static TimeSpan Interval() =>
        long.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), CultureInfo.InvariantCulture, out var microseconds) && microseconds > 0
            && TimeSpan.FromMicroseconds(microseconds) / 3 is var third && third < Often
            ? third
            : Often;

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
        [LoggerMessage(Level = LogLevel.Critical, Message = "The poll loop should have moved {Overdue} ago: it hangs, and systemd's watchdog is to end it")]
        public static partial void Hangs(ILogger log, TimeSpan overdue);
    }
}
