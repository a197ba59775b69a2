using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Allocator.Api.Telemetry;

namespace Allocator.Api.Polling;

/// <summary>Counts polls by their answers, and measures claims and the bulk writes that polls cause.</summary>
internal sealed class PollMetrics
{
    private readonly StripedCounter _notModified = new();

    // Every counter exists from the start, so that the first poll of each status shows as an increase.
    private readonly ConcurrentDictionary<int, StripedCounter> _byStatus =
        new(new[] { 200, 304, 400, 401, 403, 404, 410, 503 }.Select(status => KeyValuePair.Create(status, new StripedCounter())));

    private readonly TimeProvider _time;
    private readonly Histogram<double> _claims;
    private readonly Histogram<double> _flushes;
    private readonly Counter<long> _written;
    private int _backlog;

    public PollMetrics(IMeterFactory meters, TimeProvider time)
    {
        _time = time;
        var meter = meters.Create(Instrumentation.Name);
        meter.CreateObservableCounter(
            "allocator.polls", CountPolls, "{poll}", "Polls by status and way; way=short is answered from memory, before the pipeline");
        _claims = meter.CreateHistogram(
            "allocator.claim.duration", "s", "Duration of claims of the next person in the queue, by outcome", advice: Instrumentation.Short);
        _flushes = meter.CreateHistogram(
            "allocator.liveness.flush.duration", "s", "Duration of bulk writes of polls and receipts, by outcome", advice: Instrumentation.Short);
        _written = meter.CreateCounter<long>("allocator.liveness.rows", "{vm}", "VMs whose polls were written to the database");
        meter.CreateObservableGauge(
            "allocator.liveness.backlog", () => Volatile.Read(ref _backlog), "{vm}", "VMs whose polls the last bulk write left to the next");
    }

    /// <summary>Counts a poll of the fast path, as cheaply as possible.</summary>
    public void NotModified() => _notModified.Increment();

    /// <summary>Counts a poll that went through the pipeline.</summary>
    public void Answered(int status) => _byStatus.GetOrAdd(status, static _ => new StripedCounter()).Increment();

    /// <summary>Records the duration of a claim.</summary>
    /// <param name="outcome">The outcome, or null if the database was unavailable.</param>
    public void Claimed(long started, ClaimOutcome? outcome) => _claims.Record(
        _time.GetElapsedTime(started).TotalSeconds,
        Outcome(outcome switch
        {
            ClaimOutcome.Bound => "bound",
            ClaimOutcome.QueueEmpty => "nobody_waits",
            ClaimOutcome.NotFree => "not_free",
            _ => "failed",
        }));

    public void Flushed(long started, bool written, int left)
    {
        _flushes.Record(_time.GetElapsedTime(started).TotalSeconds, Outcome(written ? "written" : "failed"));
        Volatile.Write(ref _backlog, left);
    }

    public void Written(int vms) => _written.Add(vms);

    private IEnumerable<Measurement<long>> CountPolls() =>
        _byStatus.Select(counter => Count(counter.Value, counter.Key, "long"))
            .Prepend(Count(_notModified, StatusCodes.Status304NotModified, "short"));

    private static Measurement<long> Count(StripedCounter counter, int status, string way) =>
        new(counter.Value, new("status", status), new("way", way));

    private static KeyValuePair<string, object?> Outcome(string outcome) => new("outcome", outcome);
}
