using System.Diagnostics.Metrics;
using Allocator.Api.Telemetry;

namespace Allocator.Api.Fleet;

/// <summary>Measures how recent the fleet is, and counts each pool. The cost of a scrape grows with the pools, not with the VMs.</summary>
internal sealed class FleetMetrics
{
    private readonly VmFleet _fleet;
    private readonly TimeProvider _time;
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _vms;
    private readonly Counter<long> _failures;

    // The timestamp of the start of the last successful feed or, before the first one, of this replica.
    private long _fedAt;
    private double _lag;

    public FleetMetrics(IMeterFactory meters, VmFleet fleet, TimeProvider time)
    {
        (_fleet, _time, _fedAt) = (fleet, time, time.GetTimestamp());
        var meter = meters.Create(Instrumentation.Name);
        _duration = meter.CreateHistogram(
            "allocator.feed.duration", "s", "Duration of a feed, which reads what changed and applies it", advice: Instrumentation.Short);
        _vms = meter.CreateCounter<long>("allocator.feed.vms", "{vm}", "VMs that the feed has read");
        _failures = meter.CreateCounter<long>("allocator.feed.failures", "{feed}", "Feeds that failed");
        _failures.Add(0);
        meter.CreateObservableGauge(
            "allocator.feed.lag", () => Volatile.Read(ref _lag), "s",
            "Upper bound on the age of a change when the last successful feed delivered it");
        meter.CreateObservableGauge(
            "allocator.fleet.age", () => time.GetElapsedTime(Volatile.Read(ref _fedAt)).TotalSeconds, "s",
            "Age of this replica's data: time since the last successful feed started");
        meter.CreateObservableGauge(
            "allocator.fleet.loaded", () => fleet.IsLoaded ? 1 : 0, null, "Whether the whole fleet has been read once");
        meter.CreateObservableGauge("allocator.vms", CountVms, "{vm}", "VMs by pool and state; each VM is in one state");
        meter.CreateObservableGauge("allocator.vms.lost", () => OfPools(pool => pool.Lost), "{vm}", "VMs whose polls have stopped, in any state");
        meter.CreateObservableGauge("allocator.queue.length", () => OfPools(pool => pool.Waiting), "{person}", "People in the queue");
        meter.CreateObservableGauge(
            "allocator.queue.wait", () => OfPools(pool => pool.LongestWait), "s", "How long the first person in the queue has waited");
    }

    /// <summary>Records a successful feed.</summary>
    /// <param name="started">The timestamp of its start.</param>
    public void Fed(long started, int vms)
    {
        _duration.Record(_time.GetElapsedTime(started).TotalSeconds);
        _vms.Add(vms);
        Volatile.Write(ref _lag, _time.GetElapsedTime(_fedAt).TotalSeconds);
        Volatile.Write(ref _fedAt, started);
    }

    /// <summary>Records a failed feed.</summary>
    public void NotFed() => _failures.Add(1);

    private IEnumerable<Measurement<int>> CountVms() =>
        from pool in _fleet.Pools
        from state in Enum.GetValues<VmCount>()
        select new Measurement<int>(pool.Vms(state), new("pool", pool.Name), new("state", state.ToString().ToLowerInvariant()));

    private IEnumerable<Measurement<T>> OfPools<T>(Func<FleetPool, T> value)
        where T : struct =>
        _fleet.Pools.Select(pool => new Measurement<T>(value(pool), new KeyValuePair<string, object?>("pool", pool.Name)));
}
