using Allocator.Api.Fleet;
using Allocator.Contracts;
using Xunit;

namespace Allocator.Tests.Fleet;

public sealed class ForgettingTests
{
    [Fact]
    public void Late_snapshot_does_not_restore_a_deleted_vm()
    {
        var fleet = new VmFleet();
        fleet.Apply(View(1));
        Assert.Equal((1, 1), (fleet.Count, fleet.FindPool("default")!.Free));
        fleet.Apply(View(3) with { State = VmState.Held, IsFree = false, IsDeleted = true });
        Assert.Equal((0, 0), (fleet.Count, fleet.FindPool("default")!.Free));

        fleet.Apply(View(2));
        Assert.Equal((0, 0), (fleet.Count, fleet.FindPool("default")!.Free));
        // A newer snapshot does: the name was enrolled again.
        fleet.Apply(View(4));
        Assert.Equal((1, 1), (fleet.Count, fleet.FindPool("default")!.Free));
    }

    private static VmSnapshot View(long revision) =>
        new("vm-1", "default", revision, revision, default, VmState.Free, IsFree: true, IsLost: false, IsDeleted: false, null, Received: false);
}
