using Allocator.Api.Assignments;
using Allocator.Api.Events;
using Allocator.Api.Web;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Vms;

/// <summary>Looks regularly for what time has brought about. Runs on every replica.</summary>
internal sealed partial class Sweeper(
    SweeperStore store,
    RetentionStore retention,
    IOptions<LivenessOptions> liveness,
    IOptions<DeliveryOptions> delivery,
    TimeProvider time,
    ILogger<Sweeper> log) : BackgroundService
{
    /// <summary>What is kept for months need not be looked at every few seconds, unless the last look found much.</summary>
    private const int TurnsBetweenRemovals = 12;

    private int _turnsUntilRemoval;

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
            if (await store.MoveOffLostAsync(delivery.Value, cancel) is > 0 and var moved)
            {
                Log.Requeued(log, moved);
            }
            if (await store.ExpireAsync(cancel) is > 0 and var expired)
            {
                Log.Expired(log, expired);
            }
            if (await store.RetireAsync(cancel) is > 0 and var retired)
            {
                Log.Retired(log, retired);
            }
            if (!await store.TakeTurnAsync(liveness.Value.SweepInterval, liveness.Value.LostAfter, cancel))
            {
                return;
            }
            if (await store.MarkLostAsync(liveness.Value.LostAfter, cancel) is > 0 and var lost)
            {
                Log.Lost(log, lost);
            }
            if (--_turnsUntilRemoval <= 0)
            {
                _turnsUntilRemoval = await retention.RemoveAsync(cancel) ? 1 : TurnsBetweenRemovals;
            }
        }
        catch (Exception e) when (Outage.IsTransient(e))
        {
            Log.Postponed(log, e.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} assignment(s) were taken from VMs that did not take them; the events say why")]
        public static partial void Requeued(ILogger log, int count);

        [LoggerMessage(Level = LogLevel.Information, Message = "{Count} assignment(s) have expired")]
        public static partial void Expired(ILogger log, int count);

        [LoggerMessage(Level = LogLevel.Information, Message = "{Count} drained VM(s) are retired")]
        public static partial void Retired(ILogger log, int count);

        [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} VM(s) are lost: no poll for Liveness:LostAfter")]
        public static partial void Lost(ILogger log, int count);

        [LoggerMessage(Level = LogLevel.Debug, Message = "The sweep is postponed: {Error}")]
        public static partial void Postponed(ILogger log, string error);
    }
}
