using System.Collections.Concurrent;
using Allocator.Api.Assignments;
using Allocator.Api.Fleet;
using Allocator.Api.Vms;
using Allocator.Api.Web;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Polling;

/// <summary>
/// What polls leave behind: who polled, who was found again, who has received. Noted in memory, written in bulk a
/// moment later; what could not be written is kept for the next time.
/// </summary>
internal sealed partial class LivenessWriter(
    PollStore store,
    PollMetrics signals,
    AssignmentMetrics assignments,
    IOptions<LivenessOptions> options,
    TimeProvider time,
    ILogger<LivenessWriter> log) : BackgroundService
{
    /// <summary>Rows per statement, so that none takes long.</summary>
    private const int MaxBatch = 50_000;

    private readonly long _resolution = (long)(options.Value.Resolution.TotalSeconds * time.TimestampFrequency);
    private readonly ConcurrentQueue<FleetVm> _polled = new();
    private readonly ConcurrentDictionary<(string Hostname, long Generation), bool> _received = new();

    /// <summary>This VM polls now.</summary>
    public void RecordPoll(FleetVm vm)
    {
        if (vm.TryBeginWrite(time.GetTimestamp(), _resolution))
        {
            _polled.Enqueue(vm);
        }
    }

    /// <summary>This VM has named the generation that brought it the assignment, which may not be the newest any more.</summary>
    public void RecordReceipt(FleetVm vm, long generation) => _received.TryAdd((vm.View.Hostname, generation), true);

    /// <summary>Writes what has been noted.</summary>
    public async Task FlushAsync(CancellationToken cancel)
    {
        await FlushReceiptsAsync(cancel);
        // Those noted until now; those who poll meanwhile belong to the next flush.
        for (var left = _polled.Count; left > 0; left -= MaxBatch)
        {
            await FlushPollsAsync(Math.Min(left, MaxBatch), cancel);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.FlushInterval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await TryFlushAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping: what is left is written below.
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        try
        {
            await TryFlushAsync(cancellationToken);
        }
        catch (ObjectDisposedException)
        {
            // A host that is stopped twice at once, as test hosts are: the other has written it.
        }
    }

    private async Task TryFlushAsync(CancellationToken cancel)
    {
        var started = time.GetTimestamp();
        try
        {
            await FlushAsync(cancel);
            signals.Flushed(started, written: true, _polled.Count);
        }
        catch (Exception e) when (Outage.IsTransient(e))
        {
            signals.Flushed(started, written: false, _polled.Count);
            Log.Kept(log, e.Message);
        }
    }

    private async Task FlushReceiptsAsync(CancellationToken cancel)
    {
        var receipts = _received.Keys.ToArray();
        if (receipts.Length == 0)
        {
            return;
        }
        var received = await store.WriteReceiptsAsync(
            [.. receipts.Select(receipt => receipt.Hostname)], [.. receipts.Select(receipt => receipt.Generation)], cancel);
        received.ForEach(assignments.Received);
        foreach (var receipt in receipts)
        {
            _received.TryRemove(receipt, out _);
        }
    }

    private async Task FlushPollsAsync(int most, CancellationToken cancel)
    {
        var batch = new List<FleetVm>(most);
        while (batch.Count < most && _polled.TryDequeue(out var vm))
        {
            batch.Add(vm);
        }
        batch.Sort(static (a, b) => string.CompareOrdinal(a.View.Hostname, b.View.Hostname));
        // From here on a poll belongs to the next batch: what is written is never newer than what is noted.
        var now = time.GetTimestamp();
        try
        {
            await store.WriteLivenessAsync(
                [.. batch.Select(vm => vm.View.Hostname)],
                [.. batch.Select(vm => time.GetElapsedTime(vm.PolledAt, now))],
                options.Value.Resolution,
                cancel);
            if (batch.Where(vm => vm.View.IsLost).Select(vm => vm.View.Hostname).ToArray() is { Length: > 0 } found)
            {
                await store.WriteFoundAsync(found, cancel);
            }
        }
        catch
        {
            batch.ForEach(_polled.Enqueue);
            throw;
        }
        batch.ForEach(vm => vm.EndWrite(now));
        signals.Written(batch.Count);
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Debug, Message = "Notes of polls are kept for the next flush: {Error}")]
        public static partial void Kept(ILogger log, string error);
    }
}
