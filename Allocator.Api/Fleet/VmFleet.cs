using System.Collections.Concurrent;
using Allocator.Api.Security;

namespace Allocator.Api.Fleet;

/// <summary>A replica's picture of all VMs. Never the truth: that is in the database, and this can always be made from it again.</summary>
internal sealed class VmFleet
{
    private volatile FleetSnapshot _picture = new();
    private volatile bool _isLoaded;

    /// <summary>Whether the whole fleet has been read once. Until then nothing can be answered.</summary>
    public bool IsLoaded => _isLoaded;

    /// <summary>Of VMs that are not deleted.</summary>
    public int Count => _picture.Pools.Values.Sum(pool => pool.Vms());

    /// <param name="hostname">In lower case.</param>
    public FleetVm? Find(ReadOnlySpan<char> hostname) => _picture.Vms.Find(hostname) is { View.IsDeleted: false } vm ? vm : null;

    /// <summary>The VM of this name, if this is its token; asks the database nothing.</summary>
    public FleetVm? FindProved(ReadOnlySpan<char> hostname, VmToken token) =>
        _picture.Vms.FindProved(hostname, token) ?? (Find(hostname) is { } vm && vm.IsProvedBy(token) ? vm : null);

    public FleetPool? FindPool(string name) => _picture.Pools.GetValueOrDefault(name);

    public IEnumerable<FleetPool> Pools => _picture.Pools.Values;

    /// <summary>Takes over a row, unless a newer one is here already.</summary>
    public FleetVm Apply(VmSnapshot view) => _picture.Apply(view);

    public void ApplyPool(string name, int waiting, int requestsInLastMinute, double longestWait, bool inRush) =>
        _picture.Pool(name).Update(waiting, requestsInLastMinute, longestWait, inRush);

    /// <summary>Every feed names all pools: one that it does not is deleted, with the VMs that were in it.</summary>
    public void ForgetPoolsBut(IReadOnlySet<string> named) => _picture.ForgetPoolsBut(named);

    /// <summary>Takes over a whole new picture: also what it lacks is gone.</summary>
    public void Replace(FleetSnapshot picture)
    {
        _picture = picture;
        _isLoaded = true;
    }

    internal sealed class FleetSnapshot
    {
        public VmTable Vms { get; } = new();

        public ConcurrentDictionary<string, FleetPool> Pools { get; } = new(StringComparer.Ordinal);

        public FleetPool Pool(string name) => Pools.GetOrAdd(name, static name => new FleetPool(name));

        /// <summary>
        /// Takes over a row, unless a newer one is here already. A deleted VM stays in the table, so that an older
        /// picture of its row that comes late does not bring it back.
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
