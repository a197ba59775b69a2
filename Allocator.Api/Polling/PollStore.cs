using Allocator.Api.Assignments;
using Allocator.Api.Data;
using Allocator.Api.Fleet;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Polling;

/// <summary>What came of a claim.</summary>
internal abstract record ClaimOutcome
{
    /// <summary>The first in the queue has this VM now.</summary>
    public sealed record Bound(VmSnapshot Vm, Milestone Milestone) : ClaimOutcome;

    /// <summary>There is nobody in the queue.</summary>
    public sealed record NobodyWaits : ClaimOutcome;

    /// <summary>This VM is not free any more, or about to be no longer: the fleet here is behind.</summary>
    public sealed record NotFree : ClaimOutcome;
}

/// <summary>What polls do in the database: claim the next person, and leave notes of who polled and who has received.</summary>
internal sealed class PollStore(NpgsqlDataSource database)
{
    /// <summary>
    /// Binds the first in the queue to the VM that polls. Two VMs never get the same person, and two persons never the
    /// same VM: both rows are locked, and those who come second skip them. The VM comes first: a second claim of it, at
    /// whichever replica, ends there, and does not keep a person from their turn for nothing. All others lock the
    /// assignment before its VM; this one waits for no lock, so that nobody waits in a circle.
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
        select {VmSnapshot.Columns}, exists (select from vm), a.pool, a.hostname, a.requested_at, a.requested_at, a.assigned_at, a.trace_parent
        from (values (1)) one
        left join v on true
        left join a on true
        """;

    /// <summary>
    /// Who polled, with how long ago: the clock is the database's. Rows that another replica is writing at this moment
    /// are skipped, since it writes the same news; so are rows that are fresh enough, so that a VM whose polls go to
    /// many replicas is not written by each of them. By ctid, since the rows are locked: their index is read once. The
    /// arrays come in the order of the index, so that neighbours are written together; with a million VMs both halve it.
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

    /// <summary>VMs that named the generation which brought them their assignment. Each is noted once; later ones change nothing.</summary>
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
            -- Tells every replica by the feed that the receipt is here.
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
        // The VM waits for it; without an answer in time it is told what is known.
        command.CommandTimeout = 3;
        await using var row = await command.ExecuteReaderAsync(cancel);
        await row.ReadAsync(cancel);
        return row.IsDBNull(0)
            ? row.GetBoolean(15) ? new ClaimOutcome.NobodyWaits() : new ClaimOutcome.NotFree()
            : new ClaimOutcome.Bound(VmSnapshot.Read(row), Milestone.Read(row, 16));
    }

    public Task WriteLivenessAsync(string[] hostnames, TimeSpan[] ages, TimeSpan resolution, CancellationToken cancel) =>
        database.Command(Liveness, hostnames, ages, resolution / 2).ExecuteAsync(cancel);

    public Task WriteFoundAsync(string[] hostnames, CancellationToken cancel) =>
        database.Command(Found, [hostnames]).ExecuteAsync(cancel);

    /// <returns>Those receipts that are news.</returns>
    public Task<List<Milestone>> WriteReceiptsAsync(string[] hostnames, long[] generations, CancellationToken cancel) =>
        database.Command(Receipts, hostnames, generations).ListAsync(row => Milestone.Read(row), cancel);
}
