using Allocator.Api.Fleet;
using Allocator.Contracts;
using Xunit;

namespace Allocator.Tests.Fleet;

public sealed class FleetPoolTests
{
    private readonly FleetPool _pool = new("default");

    [Fact]
    public void As_many_claims_can_begin_as_people_are_waiting()
    {
        Assert.False(_pool.TryBeginClaim());
        Feed(waiting: 2);
        Assert.True(_pool.TryBeginClaim());
        Assert.True(_pool.MayClaim);
        Assert.True(_pool.TryBeginClaim());
        Assert.False(_pool.MayClaim);
        Assert.False(_pool.TryBeginClaim());
    }

    [Fact]
    public void Claim_that_bound_a_person_allows_no_other_claim()
    {
        Feed(waiting: 1);
        Assert.True(_pool.TryBeginClaim());
        _pool.EndClaim(ClaimEnd.Used);
        Assert.False(_pool.TryBeginClaim());
    }

    [Fact]
    public void Claim_that_looked_for_nobody_can_be_made_by_another_vm_and_by_one_only()
    {
        Feed(waiting: 1);
        Assert.True(_pool.TryBeginClaim());
        _pool.EndClaim(ClaimEnd.Unused);
        Assert.True(_pool.TryBeginClaim());
        Assert.False(_pool.TryBeginClaim());
    }

    [Fact]
    public void Claim_that_found_an_empty_queue_stops_all_others_until_somebody_is_known_to_wait()
    {
        Feed(waiting: 5);
        Assert.True(_pool.TryBeginClaim());
        _pool.EndClaim(ClaimEnd.QueueEmpty);
        Assert.False(_pool.TryBeginClaim());

        _pool.AddWaiting();
        Assert.True(_pool.TryBeginClaim());
        Assert.False(_pool.TryBeginClaim());
    }

    [Fact]
    public void Feed_allows_no_claim_for_a_person_whose_claim_is_in_flight()
    {
        Feed(waiting: 3);
        Assert.True(_pool.TryBeginClaim());
        Assert.True(_pool.TryBeginClaim());

        Feed(waiting: 3);
        Assert.True(_pool.TryBeginClaim());
        Assert.False(_pool.TryBeginClaim());

        // More claims in flight than people in the queue: none is allowed, and none is owed.
        Feed(waiting: 1);
        Assert.False(_pool.TryBeginClaim());
        for (var i = 0; i < 3; i++)
        {
            _pool.EndClaim(ClaimEnd.Used);
        }
        Assert.False(_pool.TryBeginClaim());
        Feed(waiting: 1);
        Assert.True(_pool.TryBeginClaim());
    }

    [Fact]
    public void Refused_claim_takes_nothing_away_from_the_next_person()
    {
        for (var i = 0; i < 10; i++)
        {
            Assert.False(_pool.TryBeginClaim());
        }
        _pool.AddWaiting();
        Assert.Equal(1, _pool.Waiting);
        Assert.True(_pool.TryBeginClaim());
    }

    [Fact]
    public void Each_vm_is_counted_once_as_what_it_is_now()
    {
        var free = new VmSnapshot("vm-1", "default", 1, 1, default, VmState.Free, IsFree: true, IsLost: false, IsDeleted: false, null,
            Received: false);
        var lost = free with { IsFree = false, IsLost = true };
        var cleaning = free with { State = VmState.Cleaning, IsFree = false };

        _pool.Count(null, free);
        Assert.Equal((1, 1, 0, 0), (_pool.Vms(), _pool.Free, _pool.Unready, _pool.Lost));
        _pool.Count(free, lost);
        Assert.Equal((1, 0, 0, 1), (_pool.Vms(), _pool.Free, _pool.Unready, _pool.Lost));
        Assert.Equal(1, _pool.Vms(VmCount.Unready));
        _pool.Count(lost, cleaning);
        Assert.Equal((1, 0, 1, 0), (_pool.Vms(), _pool.Free, _pool.Unready, _pool.Lost));
        Assert.Equal(1, _pool.Vms(VmCount.Cleaning));
        _pool.Count(cleaning, null);
        Assert.Equal((0, 0, 0, 0), (_pool.Vms(), _pool.Free, _pool.Unready, _pool.Lost));
    }

    private void Feed(int waiting) => _pool.Update(waiting, requestsInLastMinute: waiting, longestWait: 0, inRush: false);
}
