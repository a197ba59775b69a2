using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Allocator.Api.Telemetry;

namespace Allocator.Api.Polling;

/// <summary>How polls are answered, and what they leave to be written.</summary>
internal sealed class PollMetrics
{
    private readonly StripedCounter _steady = new();

    // Those that are there from the start, so that the first of them shows as an increase.
    private readonly ConcurrentDictionary<int, StripedCounter> _others =
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
        meter.CreateObservableCounter("allocator.polls", CountPolls, "{poll}", "Polls by the status of their answer, and by the way: short is from memory, before the pipeline has begun");
        _claims = meter.CreateHistogram("allocator.claim.duration", "s", "Claims of the next person in the queue, by what came of them", advice: Instrumentation.Short);
        _flushes = meter.CreateHistogram("allocator.liveness.flush.duration", "s", "Bulk writes of who polled and who has received, by what came of them", advice: Instrumentation.Short);
        _written = meter.CreateCounter<long>("allocator.liveness.rows", "{vm}", "VMs whose polls were given to the database");
        meter.CreateObservableGauge("allocator.liveness.backlog", () => Volatile.Read(ref _backlog), "{vm}", "VMs whose polls the last bulk write left to the next one");
    }

    /// <summary>One poll that changes nothing. This is all that it may cost.</summary>
    public void Steady() => _steady.Increment();

    /// <summary>A poll that took the long way.</summary>
    public void Answered(int status) => _others.GetOrAdd(status, static _ => new StripedCounter()).Increment();

    /// <param name="outcome">Null where the database could not be asked.</param>
    public void Claimed(long started, ClaimOutcome? outcome) => _claims.Record(_time.GetElapsedTime(started).TotalSeconds, Outcome(outcome switch
    {
        ClaimOutcome.Bound => "bound",
        ClaimOutcome.NobodyWaits => "nobody_waits",
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
        _others.Select(other => Count(other.Value, other.Key, "long")).Prepend(Count(_steady, StatusCodes.Status304NotModified, "short"));

    private static Measurement<long> Count(StripedCounter counter, int status, string way) =>
        new(counter.Value, new("status", status), new("way", way));

    private static KeyValuePair<string, object?> Outcome(string outcome) => new("outcome", outcome);
}
