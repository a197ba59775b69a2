using Allocator.Api.Assignments;
using Allocator.Api.Fleet;
using Allocator.Api.Web;
using Microsoft.Extensions.Primitives;

namespace Allocator.Api.Polling;

/// <summary>Decides what a VM is told: the poll path in full, of which <see cref="NotModifiedFastPath"/> is the shortest way through.</summary>
internal sealed partial class PollHandler(
    ReadThrough readThrough,
    PollStore store,
    LivenessWriter liveness,
    PollMetrics signals,
    AssignmentMetrics assignments,
    TimeProvider time,
    ILogger<PollHandler> log)
{
    /// <summary>
    /// The newest that is known of this VM after it polled: if it is free and somebody waits, that person is its now.
    /// Never older than what the VM has.
    /// </summary>
    /// <exception cref="Npgsql.NpgsqlException">The VM knows more than this replica, and the database cannot be asked.</exception>
    public async ValueTask<VmSnapshot> AnswerAsync(FleetVm vm, StringValues ifNoneMatch)
    {
        liveness.RecordPoll(vm);
        var newest = EntityTags.Parse(ifNoneMatch).Newest;
        if (newest > vm.View.Generation)
        {
            // Another replica has told it. After the read the database's word counts, be it older: the VM's tag may be
            // from before a backup was restored.
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

    /// <summary>Whether somebody waits whom this VM could take.</summary>
    public static bool CanClaim(PollState vm, FleetPool pool) => vm.IsFree && pool.MayClaim;

    private async Task ClaimAsync(FleetVm vm)
    {
        var pool = vm.Pool;
        ClaimOutcome? outcome = null;
        var started = time.GetTimestamp();
        try
        {
            // Not cancelled when the VM hangs up: what is claimed shall be known here.
            outcome = await store.ClaimAsync(vm.View.Hostname, pool.Name, CancellationToken.None);
        }
        catch (Exception e) when (Outage.IsTransient(e))
        {
            // The VM is told what is known. If the claim did succeed, the feed brings it and the next poll takes it along.
            Log.ClaimFailed(log, vm.View.Hostname, e.Message);
        }
        finally
        {
            signals.Claimed(started, outcome);
            pool.EndClaim(nobodyWaits: outcome is ClaimOutcome.NobodyWaits, unspent: outcome is ClaimOutcome.NotFree);
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
