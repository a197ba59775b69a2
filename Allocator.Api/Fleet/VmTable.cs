using Allocator.Api.Security;

namespace Allocator.Api.Fleet;

/// <summary>
/// A hash table of VMs by host name: any number of threads read it without a lock, and one at a time writes. The hash is
/// beside the VM in one array, so that a lookup waits for memory twice, where a dictionary of a million waits five times.
/// </summary>
internal sealed class VmTable
{
    private readonly Lock _writing = new();
    private Slot[] _slots = new Slot[64];
    private int _count;

    /// <param name="hostname">The host name in lower case.</param>
    public FleetVm? Find(ReadOnlySpan<char> hostname)
    {
        var slots = Volatile.Read(ref _slots);
        var hash = string.GetHashCode(hostname);
        for (var i = hash; ; i++)
        {
            ref var slot = ref slots[i & (slots.Length - 1)];
            var vm = Volatile.Read(ref slot.Vm);
            if (vm is null || (slot.Hash == hash && hostname.SequenceEqual(vm.View.Hostname)))
            {
                return vm;
            }
        }
    }

    /// <summary>Returns the VM of this token, if the token was proven before and is for <paramref name="hostname"/>.</summary>
    public FleetVm? FindProved(ReadOnlySpan<char> hostname, VmToken token)
    {
        if (!token.Hostname.SequenceEqual(hostname))
        {
            return null;
        }
        var slots = Volatile.Read(ref _slots);
        var hash = string.GetHashCode(hostname);
        for (var i = hash; ; i++)
        {
            ref var slot = ref slots[i & (slots.Length - 1)];
            var vm = Volatile.Read(ref slot.Vm);
            // The secret identifies the VM, so its name, which is elsewhere in memory, need not be read.
            if (vm is null || (slot.Hash == hash && vm.HasProved(token)))
            {
                return vm;
            }
        }
    }

    /// <summary>Returns the VM of this name, and adds it with <paramref name="view"/> if there is none.</summary>
    /// <returns>Whether it was added.</returns>
    public bool GetOrAdd(FleetPool pool, VmSnapshot view, out FleetVm vm)
    {
        lock (_writing)
        {
            if (Find(view.Hostname) is { } known)
            {
                vm = known;
                return false;
            }
            // The table is at most half full, so that few VMs are far from the slot of their hash.
            if (_count == _slots.Length / 2)
            {
                var larger = new Slot[_slots.Length * 2];
                foreach (var slot in _slots)
                {
                    Put(larger, slot.Vm, slot.Hash);
                }
                Volatile.Write(ref _slots, larger);
            }
            vm = new FleetVm(pool, view);
            Put(_slots, vm, string.GetHashCode(view.Hostname));
            _count++;
            return true;
        }
    }

    /// <summary>Removes the VMs that match, by rebuilding the whole table.</summary>
    public void Remove(Predicate<FleetVm> match)
    {
        lock (_writing)
        {
            var slots = new Slot[_slots.Length];
            _count = 0;
            foreach (var slot in _slots)
            {
                if (slot.Vm is not null && !match(slot.Vm))
                {
                    Put(slots, slot.Vm, slot.Hash);
                    _count++;
                }
            }
            Volatile.Write(ref _slots, slots);
        }
    }

    private static void Put(Slot[] slots, FleetVm? vm, int hash)
    {
        if (vm is null)
        {
            return;
        }
        var i = hash;
        while (slots[i & (slots.Length - 1)].Vm is not null)
        {
            i++;
        }
        ref var slot = ref slots[i & (slots.Length - 1)];
        slot.Hash = hash;
        // The VM is written last, so that a reader that sees it also sees its hash.
        Volatile.Write(ref slot.Vm, vm);
    }

    private struct Slot
    {
        public FleetVm? Vm;
        public int Hash;
    }
}
