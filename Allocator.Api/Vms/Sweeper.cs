using Allocator.Api.Assignments;
using Allocator.Api.Web;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Vms;

/// <summary>Looks regularly for deliveries that are overdue and VMs that are gone. Runs on every replica.</summary>
internal sealed partial class Sweeper(
    SweeperStore store,
    IOptions<LivenessOptions> liveness,
    IOptions<DeliveryOptions> delivery,
    TimeProvider time,
    ILogger<Sweeper> log) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(liveness.Value.SweepInterval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await SweepAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping; another replica goes on.
        }
    }

    private async Task SweepAsync(CancellationToken cancel)
    {
        try
        {
            if (await store.RequeueOverdueAsync(delivery.Value, cancel) is > 0 and var requeued)
            {
                Log.Requeued(log, requeued);
            }
            if (await store.MarkLostAsync(liveness.Value.SweepInterval, liveness.Value.LostAfter, cancel) is > 0 and var lost)
            {
                Log.Lost(log, lost);
            }
        }
        catch (Exception e) when (Outage.Is(e))
        {
            Log.Postponed(log, e.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} assignment(s) were taken from VMs that did not take them; the events say why")]
        public static partial void Requeued(ILogger log, int count);

        [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} VM(s) are lost: no poll for Liveness:LostAfter")]
        public static partial void Lost(ILogger log, int count);

        [LoggerMessage(Level = LogLevel.Debug, Message = "The sweep is postponed: {Error}")]
        public static partial void Postponed(ILogger log, string error);
    }
}
