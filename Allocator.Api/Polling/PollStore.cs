using System.Data;
using Allocator.Api.Assignments;
using Allocator.Api.Data;
using Allocator.Api.Fleet;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Polling;

/// <summary>The outcome of a claim.</summary>
internal abstract record ClaimOutcome
{
    /// <summary>The first person in the queue has this VM now.</summary>
    public sealed record Bound(VmSnapshot Vm, Milestone Milestone) : ClaimOutcome;

    /// <summary>The queue is empty.</summary>
    public sealed record QueueEmpty : ClaimOutcome;

    /// <summary>This VM is not free any more, or another transaction is changing it: the fleet of this replica is behind.</summary>
    public sealed record NotFree : ClaimOutcome;
}

/// <summary>Writes what polls cause: claims of the next person, the times of polls, and receipts.</summary>
internal sealed class PollStore(NpgsqlDataSource database)
{
    /// <summary>
    /// Assigns the VM that polls to the first person in the queue. Both rows are locked, and concurrent claims skip locked
    /// rows, so two VMs never get the same person, and two people never the same VM. The VM is locked first, so that a
    /// second claim of the same VM, on any replica, ends without locking a person. All other statements lock the assignment
    /// before its VM; the claim never waits for a lock (SKIP LOCKED), so it cannot deadlock with them.
    /// </summary>
    private const string Claim =
        $"""
        with vm as (
            select hostname
            from vms
            where hostname = $1 and pool = $2 and is_free
            for no key update skip locked
        ),
        next as (
            select id
            from assignments
            where pool = $2 and state = 'waiting' and exists (select from vm)
            order by requested_at, id
            limit 1
            for no key update skip locked
        ),
        v as (
            update vms
            set assignment_id = next.id
            from vm, next
            where vms.hostname = vm.hostname
            returning vms.*
        ),
        a as (
            update assignments
            set state = 'assigned', hostname = v.hostname, generation = v.generation, assigned_at = clock()
            from v
            where assignments.id = v.assignment_id
            returning assignments.*
        ),
        event as (
            insert into events (actor, action, pool, hostname, assignment_id, detail)
            select 'vm:' || hostname, '{EventActions.Assigned}', pool, hostname, id, jsonb_build_object(
                'before', jsonb_build_object('state', 'waiting'), 'after', jsonb_build_object('state', 'assigned'), 'generation', generation)
            from a
        )
        select {VmSnapshot.Columns}, exists (select from vm) as vm_was_free, a.requested_at, a.trace_parent
        from (values (1)) one
        left join v on true
        left join a on true
        """;

    /// <summary>
    /// Writes when VMs polled. Each poll comes with its age, because the clock is the database's. Rows that another replica
    /// is writing are skipped, since it writes the same; so are rows that are recent enough, so that a VM whose polls go to
    /// many replicas is not written by each of them. The rows are locked, so they can be updated by ctid, which reads the
    /// index once. The arrays are in the order of the index, so that neighbours are written together. With a million VMs
    /// each of the two halves the time.
    /// </summary>
    private const string Liveness =
        """
        with polled as (
            select liveness.ctid as place, clock() - poll.age as polled_at
            from unnest($1::text[], $2::interval[]) as poll(hostname, age)
            join liveness on liveness.hostname = poll.hostname
            where liveness.polled_at < clock() - poll.age - $3::interval
            for no key update of liveness skip locked
        )
        update liveness
        set polled_at = polled.polled_at
        from polled
        where liveness.ctid = polled.place
        """;

    /// <summary>Ends the loss of VMs that poll again.</summary>
    private const string Found =
        $$"""
        with found as (
            select hostname
            from vms
            where hostname = any ($1) and lost_at is not null
            for no key update skip locked
        ),
        v as (
            update vms
            set lost_at = null
            from found
            where vms.hostname = found.hostname
            returning vms.hostname, vms.pool
        )
        insert into events (actor, action, pool, hostname, detail)
        select 'allocator', '{{EventActions.VmFound}}', pool, hostname, '{"before": {"presence": "lost"}, "after": {"presence": "present"} }'
        from v
        """;

    /// <summary>Writes the receipts of VMs that named the generation of their assignment. Later receipts change nothing.</summary>
    private const string Receipts =
        $$"""
        with received as (
            select a.id
            from unnest($1::text[], $2::bigint[]) as receipt(hostname, generation)
            join assignments a on a.live_hostname = receipt.hostname and a.generation = receipt.generation
            where a.received_at is null
            for no key update of a skip locked
        ),
        a as (
            update assignments
            set received_at = clock()
            from received
            where assignments.id = received.id
            returning assignments.*
        ),
        v as (
            -- Touches the VM, so that the feed brings the receipt to every replica.
            update vms
            set assignment_id = a.id
            from a
            where vms.hostname = a.hostname
        ),
        event as (
            insert into events (actor, action, pool, hostname, assignment_id, detail)
            select 'vm:' || hostname, '{{EventActions.Received}}', pool, hostname, id, '{"before": {"received": false}, "after": {"received": true} }'
            from a
        )
        select pool, hostname, requested_at, assigned_at, received_at, trace_parent
        from a
        """;

    public async Task<ClaimOutcome> ClaimAsync(string hostname, string pool, CancellationToken cancel)
    {
        await using var command = database.Command(Claim, hostname, pool);
        // The VM is waiting: if the claim takes too long, the poll is answered without it.
        command.CommandTimeout = 3;
        await using var row = await command.ExecuteReaderAsync(cancel);
        await row.ReadAsync(cancel);
        return row.IsDBNull("hostname")
            ? row.GetBoolean("vm_was_free") ? new ClaimOutcome.QueueEmpty() : new ClaimOutcome.NotFree()
            : new ClaimOutcome.Bound(VmSnapshot.Read(row), Milestone.Read(row, "requested_at", "assigned_at"));
    }

    public Task WriteLivenessAsync(string[] hostnames, TimeSpan[] ages, TimeSpan resolution, CancellationToken cancel) =>
        database.Command(Liveness, hostnames, ages, resolution / 2).ExecuteAsync(cancel);

    public Task WriteFoundAsync(string[] hostnames, CancellationToken cancel) =>
        database.Command(Found, [hostnames]).ExecuteAsync(cancel);

    /// <returns>The receipts that had not been written before.</returns>
    public Task<List<Milestone>> WriteReceiptsAsync(string[] hostnames, long[] generations, CancellationToken cancel) =>
        database.Command(Receipts, hostnames, generations).ListAsync(row => Milestone.Read(row, "assigned_at", "received_at"), cancel);
}
