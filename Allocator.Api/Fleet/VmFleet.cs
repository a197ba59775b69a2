using System.Collections.Concurrent;

namespace Allocator.Api.Fleet;

/// <summary>A replica's picture of all VMs. Never the truth: that is in the database, and this can always be made from it again.</summary>
internal sealed class VmFleet
{
    private volatile Picture _picture = new();
    private volatile bool _isLoaded;

    /// <summary>Whether the whole fleet has been read once. Until then nothing can be answered.</summary>
    public bool IsLoaded => _isLoaded;

    public int Count => _picture.Vms.Count;

    /// <param name="hostname">In lower case.</param>
    public FleetVm? Find(string hostname) => _picture.Vms.GetValueOrDefault(hostname);

    public FleetPool? FindPool(string name) => _picture.Pools.GetValueOrDefault(name);

    public IEnumerable<FleetPool> Pools => _picture.Pools.Values;

    /// <summary>Takes over a row, unless a newer one is here already.</summary>
    public FleetVm Apply(VmView view) => _picture.Apply(view);

    public void ApplyPool(string name, int waiting, int requestsInLastMinute, double longestWait) =>
        _picture.Pool(name).Update(waiting, requestsInLastMinute, longestWait);

    /// <summary>Takes over a whole new picture: also what it lacks is gone.</summary>
    public void Replace(Picture picture)
    {
        _picture = picture;
        _isLoaded = true;
    }

    internal sealed class Picture
    {
        public ConcurrentDictionary<string, FleetVm> Vms { get; } = new(StringComparer.Ordinal);

        public ConcurrentDictionary<string, FleetPool> Pools { get; } = new(StringComparer.Ordinal);

        public FleetPool Pool(string name) => Pools.GetOrAdd(name, static name => new FleetPool(name));

        public FleetVm Apply(VmView view)
        {
            var pool = Pool(view.Pool);
            while (true)
            {
                if (Vms.TryGetValue(view.Hostname, out var known))
                {
                    known.Apply(pool, view);
                    return known;
                }
                var added = new FleetVm(pool, view);
                if (Vms.TryAdd(view.Hostname, added))
                {
                    pool.Count(null, view);
                    return added;
                }
            }
        }
    }
}
