using System.Collections.Concurrent;
using Allocator.Api.Security;

namespace Allocator.Api.Fleet;

/// <summary>A replica's copy of all VMs in memory. The database is authoritative, and the copy can always be rebuilt from it.</summary>
internal sealed class VmFleet
{
    private volatile FleetSnapshot _snapshot = new();
    private volatile bool _isLoaded;

    /// <summary>Gets whether the whole fleet has been read once. Until then no poll can be answered.</summary>
    public bool IsLoaded => _isLoaded;

    /// <summary>Gets the number of VMs that are not deleted.</summary>
    public int Count => _snapshot.Pools.Values.Sum(pool => pool.Vms());

    /// <param name="hostname">The host name in lower case.</param>
    public FleetVm? Find(ReadOnlySpan<char> hostname) => _snapshot.Vms.Find(hostname) is { View.IsDeleted: false } vm ? vm : null;

    /// <summary>Returns the VM of this name if this is its token, without a query.</summary>
    public FleetVm? FindProved(ReadOnlySpan<char> hostname, VmToken token) =>
        _snapshot.Vms.FindProved(hostname, token) ?? (Find(hostname) is { } vm && vm.IsProvedBy(token) ? vm : null);

    public FleetPool? FindPool(string name) => _snapshot.Pools.GetValueOrDefault(name);

    public IEnumerable<FleetPool> Pools => _snapshot.Pools.Values;

    /// <summary>Applies a row, unless a newer one is known already.</summary>
    public FleetVm Apply(VmSnapshot view) => _snapshot.Apply(view);

    public void ApplyPool(string name, int waiting, int requestsInLastMinute, double longestWait, bool inRush) =>
        _snapshot.Pool(name).Update(waiting, requestsInLastMinute, longestWait, inRush);

    /// <summary>Removes the pools that a feed did not name, with their VMs: every feed names all pools, so these are deleted.</summary>
    public void ForgetPoolsBut(IReadOnlySet<string> named) => _snapshot.ForgetPoolsBut(named);

    /// <summary>Replaces everything, so that what the new snapshot lacks is gone too.</summary>
    public void Replace(FleetSnapshot snapshot)
    {
        _snapshot = snapshot;
        _isLoaded = true;
    }

    internal sealed class FleetSnapshot
    {
        public VmTable Vms { get; } = new();

        public ConcurrentDictionary<string, FleetPool> Pools { get; } = new(StringComparer.Ordinal);

        public FleetPool Pool(string name) => Pools.GetOrAdd(name, static name => new FleetPool(name));

        /// <summary>
        /// Applies a row, unless a newer one is known already. A deleted VM stays in the table, so that an older row that
        /// arrives late does not bring it back.
        /// </summary>
        public FleetVm Apply(VmSnapshot view)
        {
            var pool = Pool(view.Pool);
            if (Vms.GetOrAdd(pool, view, out var vm))
            {
                pool.Count(null, view);
            }
            else
            {
                vm.Apply(pool, view);
            }
            return vm;
        }

        public void ForgetPoolsBut(IReadOnlySet<string> named)
        {
            var gone = Pools.Keys.Where(pool => !named.Contains(pool)).ToList();
            if (gone.Count > 0)
            {
                gone.ForEach(pool => Pools.TryRemove(pool, out _));
                Vms.Remove(vm => !named.Contains(vm.View.Pool));
            }
        }
    }
}
