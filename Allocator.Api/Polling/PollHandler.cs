using Allocator.Api.Assignments;
using Allocator.Api.Fleet;
using Allocator.Api.Web;
using Microsoft.Extensions.Primitives;

namespace Allocator.Api.Polling;

/// <summary>Decides the answer to a poll. <see cref="NotModifiedFastPath"/> is the shortcut for polls that change nothing.</summary>
internal sealed partial class PollHandler(
    ReadThrough readThrough,
    PollStore store,
    LivenessWriter liveness,
    PollMetrics metrics,
    AssignmentMetrics assignments,
    TimeProvider time,
    ILogger<PollHandler> log)
{
    /// <summary>
    /// Returns the newest known state of the VM that polls. If it is free and somebody waits, it is assigned to that person
    /// first. The state is never older than the one that the VM has.
    /// </summary>
    /// <exception cref="Npgsql.NpgsqlException">The VM has a newer state than this replica, and the database is unavailable.</exception>
    public async ValueTask<VmSnapshot> AnswerAsync(FleetVm vm, StringValues ifNoneMatch)
    {
        liveness.RecordPoll(vm);
        var newest = EntityTags.Parse(ifNoneMatch).Newest;
        if (newest > vm.View.Generation)
        {
            // The VM has its tag from another replica. After the read the database decides, even if its generation is older:
            // the tag may be from before a backup was restored.
            await readThrough.RefreshAsync(vm.View.Hostname, (UInt128)newest);
        }
        if (CanClaim(vm.PollState, vm.Pool) && vm.Pool.TryBeginClaim())
        {
            await ClaimAsync(vm);
        }
        var view = vm.View;
        if (view.AwaitsReceipt && EntityTags.Parse(ifNoneMatch).Contains(view.Generation))
        {
            liveness.RecordReceipt(vm, view.Generation);
        }
        return view;
    }

    /// <summary>Returns whether the VM is free and a claim for it may succeed.</summary>
    public static bool CanClaim(PollState vm, FleetPool pool) => vm.IsFree && pool.MayClaim;

    private async Task ClaimAsync(FleetVm vm)
    {
        var pool = vm.Pool;
        ClaimOutcome? outcome = null;
        var started = time.GetTimestamp();
        try
        {
            // The claim is not cancelled when the VM disconnects, because this replica must know its outcome.
            outcome = await store.ClaimAsync(vm.View.Hostname, pool.Name, CancellationToken.None);
        }
        catch (Exception e) when (Outage.IsTransient(e))
        {
            // The poll is answered from memory. If the claim did succeed, the feed brings it, and the next poll delivers it.
            Log.ClaimFailed(log, vm.View.Hostname, e.Message);
        }
        finally
        {
            metrics.Claimed(started, outcome);
            pool.EndClaim(outcome switch
            {
                ClaimOutcome.QueueEmpty => ClaimEnd.QueueEmpty,
                ClaimOutcome.NotFree => ClaimEnd.Unused,
                _ => ClaimEnd.Used,
            });
        }
        switch (outcome)
        {
            case ClaimOutcome.Bound bound:
                vm.Apply(pool, bound.Vm);
                assignments.Assigned(bound.Milestone);
                break;
            case ClaimOutcome.NotFree:
                await readThrough.RefreshAsync(vm.View.Hostname, (UInt128)vm.View.Revision << 64);
                break;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "The claim of {Hostname} failed: {Error}")]
        public static partial void ClaimFailed(ILogger log, string hostname, string error);
    }
}
