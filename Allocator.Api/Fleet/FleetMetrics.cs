using System.Diagnostics.Metrics;
using Allocator.Api.Telemetry;

namespace Allocator.Api.Fleet;

/// <summary>How fresh the fleet is, and what it knows of each pool. A scrape costs as much as there are pools, not VMs.</summary>
internal sealed class FleetMetrics
{
    private readonly VmFleet _fleet;
    private readonly TimeProvider _time;
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _vms;
    private readonly Counter<long> _failures;

    // Of the start of the last good feed; before the first one, of the start of this replica.
    private long _fedAt;
    private double _lag;

    public FleetMetrics(IMeterFactory meters, VmFleet fleet, TimeProvider time)
    {
        (_fleet, _time, _fedAt) = (fleet, time, time.GetTimestamp());
        var meter = meters.Create(Instrumentation.Name);
        _duration = meter.CreateHistogram("allocator.feed.duration", "s", "How long the feed took to ask what changed and to take it over", advice: Instrumentation.Short);
        _vms = meter.CreateCounter<long>("allocator.feed.vms", "{vm}", "VMs that the feed has read");
        _failures = meter.CreateCounter<long>("allocator.feed.failures", "{feed}", "Feeds that failed");
        _failures.Add(0);
        meter.CreateObservableGauge("allocator.feed.lag", () => Volatile.Read(ref _lag), "s", "How old a change can have been when the last good feed brought it");
        meter.CreateObservableGauge("allocator.fleet.age", () => time.GetElapsedTime(Volatile.Read(ref _fedAt)).TotalSeconds, "s", "Time since the last good feed began; what this replica knows is as old");
        meter.CreateObservableGauge("allocator.fleet.loaded", () => fleet.IsLoaded ? 1 : 0, null, "Whether the whole fleet has been read once");
        meter.CreateObservableGauge("allocator.vms", CountVms, "{vm}", "VMs by pool and state; each VM in one state");
        meter.CreateObservableGauge("allocator.vms.lost", () => OfPools(pool => pool.Lost), "{vm}", "VMs whose polls have stopped, whatever their state");
        meter.CreateObservableGauge("allocator.queue.length", () => OfPools(pool => pool.Waiting), "{person}", "People who wait");
        meter.CreateObservableGauge("allocator.queue.wait", () => OfPools(pool => pool.LongestWait), "s", "How long the first in the queue has waited");
    }

    /// <param name="started">When this good feed began.</param>
    public void Fed(long started, int vms)
    {
        _duration.Record(_time.GetElapsedTime(started).TotalSeconds);
        _vms.Add(vms);
        Volatile.Write(ref _lag, _time.GetElapsedTime(_fedAt).TotalSeconds);
        Volatile.Write(ref _fedAt, started);
    }

    public void NotFed() => _failures.Add(1);

    private IEnumerable<Measurement<int>> CountVms() =>
        from pool in _fleet.Pools
        from state in Enum.GetValues<VmCount>()
        select new Measurement<int>(pool.Vms(state), new("pool", pool.Name), new("state", state.ToString().ToLowerInvariant()));

    private IEnumerable<Measurement<T>> OfPools<T>(Func<FleetPool, T> value)
        where T : struct =>
        _fleet.Pools.Select(pool => new Measurement<T>(value(pool), new KeyValuePair<string, object?>("pool", pool.Name)));
}
