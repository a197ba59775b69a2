using Allocator.Api.Fleet;
using Allocator.Contracts;
using Xunit;

namespace Allocator.Tests.Fleet;

public sealed class VmTableTests
{
    private readonly VmFleet.FleetSnapshot _picture = new();

    [Fact]
    public void Table_finds_every_added_vm_and_no_other()
    {
        for (var i = 0; i < 20_000; i++)
        {
            Put(i);
        }
        Assert.All(Enumerable.Range(0, 20_000), i => Assert.Equal($"vm-{i}", _picture.Vms.Find($"vm-{i}")?.View.Hostname));
        Assert.Null(_picture.Vms.Find("vm-20000"));
        Assert.Null(_picture.Vms.Find(""));
    }

    [Fact]
    public void Vm_that_is_added_twice_stays_the_same_object()
    {
        Assert.Same(Put(1), Put(1));
    }

    [Fact]
    public async Task Readers_find_every_added_vm_while_the_table_grows()
    {
        const int Vms = 200_000;
        var there = 0;
        var readers = Enumerable.Range(0, 3).Select(seed => Task.Run(() =>
        {
            var random = new Random(seed);
            int known;
            while ((known = Volatile.Read(ref there)) < Vms)
            {
                if (known > 0)
                {
                    var hostname = $"vm-{random.Next(known)}";
                    Assert.Equal(hostname, _picture.Vms.Find(hostname)?.View.Hostname);
                }
            }
        })).ToArray();
        var writers = Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < Vms; i++)
            {
                Put(i);
                Volatile.Write(ref there, Math.Max(Volatile.Read(ref there), i));
            }
        })).ToArray();
        await Task.WhenAll(writers);
        Volatile.Write(ref there, Vms);
        await Task.WhenAll(readers);
        Assert.All(Enumerable.Range(0, Vms), i => Assert.NotNull(_picture.Vms.Find($"vm-{i}")));
    }

    private FleetVm Put(int i) =>
        _picture.Apply(
            new VmSnapshot($"vm-{i}", "default", 1, 1, default, VmState.Free, IsFree: true, IsLost: false, IsDeleted: false, null, Received: false));
}
