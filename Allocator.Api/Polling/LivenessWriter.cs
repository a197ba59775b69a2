using System.Collections.Concurrent;
using Allocator.Api.Assignments;
using Allocator.Api.Fleet;
using Allocator.Api.Vms;
using Allocator.Api.Web;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Polling;

/// <summary>
/// Records in memory which VMs polled and which acknowledged their assignment, and writes it to the database in bulk a
/// moment later. Records that could not be written are kept for the next flush.
/// </summary>
internal sealed partial class LivenessWriter(
    PollStore store,
    PollMetrics metrics,
    AssignmentMetrics assignments,
    IOptions<LivenessOptions> options,
    TimeProvider time,
    ILogger<LivenessWriter> log) : BackgroundService
{
    /// <summary>The maximum number of rows in one statement, so that none takes long.</summary>
    private const int MaxBatch = 50_000;

    private readonly long _resolution = (long)(options.Value.Resolution.TotalSeconds * time.TimestampFrequency);
    private readonly ConcurrentQueue<FleetVm> _polled = new();
    private readonly ConcurrentDictionary<(string Hostname, long Generation), bool> _received = new();

    // The last error that was not an outage, so that a lasting one is logged once and not at every flush.
    private string? _lastError;

    /// <summary>Records that the VM polls now.</summary>
    public void RecordPoll(FleetVm vm)
    {
        if (vm.TryBeginWrite(time.GetTimestamp(), _resolution))
        {
            _polled.Enqueue(vm);
        }
    }

    /// <summary>Records that the VM named the generation that brought it the assignment, which may not be the newest any more.</summary>
    public void RecordReceipt(FleetVm vm, long generation) => _received.TryAdd((vm.View.Hostname, generation), true);

    /// <summary>Writes what has been recorded.</summary>
    public async Task FlushAsync(CancellationToken cancel)
    {
        try
        {
            await FlushReceiptsAsync(cancel);
        }
        finally
        {
            // Polls are written even if receipts cannot be: without its polls a VM would be marked lost. Polls that arrive
            // meanwhile belong to the next flush.
            for (var left = _polled.Count; left > 0; left -= MaxBatch)
            {
                await FlushPollsAsync(Math.Min(left, MaxBatch), cancel);
            }
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
            // The process is stopping; StopAsync writes what is left.
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
            // A test host can be stopped twice at once; the other stop has written the rest.
        }
    }

    private async Task TryFlushAsync(CancellationToken cancel)
    {
        var started = time.GetTimestamp();
        var written = false;
        try
        {
            await FlushAsync(cancel);
            (written, _lastError) = (true, null);
        }
        catch (Exception e) when (Outage.IsTransient(e))
        {
            Log.Postponed(log, e.Message);
        }
        catch (Exception e) when (e is not (OperationCanceledException or ObjectDisposedException))
        {
            if (_lastError != e.Message)
            {
                _lastError = e.Message;
                Log.Failed(log, e);
            }
        }
        finally
        {
            metrics.Flushed(started, written, _polled.Count);
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

    private async Task FlushPollsAsync(int size, CancellationToken cancel)
    {
        var batch = new List<FleetVm>(size);
        while (batch.Count < size && _polled.TryDequeue(out var vm))
        {
            batch.Add(vm);
        }
        batch.Sort(static (a, b) => string.CompareOrdinal(a.View.Hostname, b.View.Hostname));
        // Later polls belong to the next batch: the written time is never newer than the recorded one.
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
        metrics.Written(batch.Count);
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Debug, Message = "The times of polls are kept for the next flush: {Error}")]
        public static partial void Postponed(ILogger log, string error);

        [LoggerMessage(Level = LogLevel.Error, Message = "The times of polls cannot be written; they are kept, and every flush tries again")]
        public static partial void Failed(ILogger log, Exception error);
    }
}
