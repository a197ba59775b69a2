using System.Data;
using Allocator.Api.Data;
using Allocator.Api.Web;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Assignments;

/// <summary>The outcome of an admin's request to assign or move a person.</summary>
internal abstract record MoveOutcome
{
    /// <summary>The person has the VM now.</summary>
    /// <param name="From">The VM that the person had before, if any.</param>
    /// <param name="IsNew">Whether the person had no assignment before.</param>
    public sealed record Moved(Guid Id, string Hostname, string? From, bool IsNew) : MoveOutcome;

    /// <summary>Nothing was changed: the person has that VM already, or is no longer on the VM named by the admin.</summary>
    public sealed record Unchanged(Guid Id) : MoveOutcome;

    public sealed record UnknownAssignment : MoveOutcome;

    public sealed record AssignmentEnded : MoveOutcome;

    /// <summary>The person has another VM of the pool.</summary>
    public sealed record HasAnotherVm(Guid Id, string Hostname) : MoveOutcome;

    /// <summary>The VM does not exist, is in another pool or is not free; or no VM is free.</summary>
    public sealed record NoVm : MoveOutcome;
}

/// <summary>The result of extending an assignment.</summary>
internal enum ExtensionOutcome
{
    Extended,

    /// <summary>There is no such assignment, or it has ended.</summary>
    NoLiveAssignment,

    /// <summary>The assignment has no end to which a duration could be added.</summary>
    HasNoEnd,

    EndsInThePast,
}

/// <summary>Changes assignments for admins. As everywhere but in a claim, the assignment is locked before the VM.</summary>
internal sealed class AdminAssignmentStore(NpgsqlDataSource database)
{
    /// <summary>
    /// The condition for an admin to assign a VM <c>v</c> by name: it is free, or a hold is the only reason why it is not. If
    /// it does not acknowledge the assignment in time, the person goes back to the head of the queue.
    /// </summary>
    private const string IsFreeButForHold = "v.unavailable_reasons <@ '{held}'";

    /// <summary>
    /// Moves one person, in whatever state, to the VM $2, or to the free one that polled last. $3 is the VM on which the
    /// admin saw them. Nothing changes if they cannot be moved.
    /// </summary>
    private const string Move =
        $"""
        with target as (
            select id, pool, state, hostname
            from assignments
            where id = $1
                and state <> 'ended'
                and ($2::text is null or hostname is distinct from $2)
                and ($3::text is null or hostname = $3)
            for no key update
        ),
        named as (
            select v.hostname
            from vms v
            join target on target.pool = v.pool
            where v.hostname = $2 and {IsFreeButForHold}
            for no key update of v
        ),
        any_free as (
            select v.hostname
            from vms v
            join target on target.pool = v.pool
            join liveness on liveness.hostname = v.hostname
            where $2::text is null and v.is_free
            order by liveness.polled_at desc
            limit 1
            for no key update of v skip locked
        ),
        chosen as (
            select hostname from named
            union all
            select hostname from any_free
        ),
        vacated as (
            update vms
            set assignment_id = null, cleaning = true
            from target, chosen
            where vms.hostname = target.hostname
        ),
        bound as (
            update vms
            set assignment_id = target.id
            from target, chosen
            where vms.hostname = chosen.hostname
            returning vms.hostname, vms.generation, vms.assignment_id
        ),
        a as (
            update assignments
            set state = 'assigned',
                hostname = bound.hostname,
                generation = bound.generation,
                assigned_at = clock(),
                received_at = null,
                connected_at = null,
                connect_url = null
            from bound
            where assignments.id = bound.assignment_id
        ),
        event as (
            insert into events (actor, action, pool, hostname, assignment_id, detail)
            select $4, '{EventActions.Moved}', target.pool, bound.hostname, target.id, jsonb_build_object(
                'before', jsonb_build_object('state', target.state, 'hostname', target.hostname),
                'after', jsonb_build_object('state', 'assigned', 'hostname', bound.hostname))
            from target, bound
        )
        select live.state, target.id is not null as is_movable, target.hostname as hostname_before, bound.hostname
        from assignments live
        left join target on true
        left join bound on true
        where live.id = $1
        """;

    /// <summary>Assigns the VM $2 to a person: to their waiting assignment in its pool, or to the new one $1.</summary>
    private const string Assign =
        $"""
        with target as (
            select id, hostname, state
            from assignments
            where pool = (select pool from vms where hostname = $2) and email_key = $4 and state <> 'ended'
            for no key update
        ),
        bound as (
            update vms v
            set assignment_id = coalesce((select id from target), $1)
            where v.hostname = $2 and {IsFreeButForHold} and not exists (select from target where state <> 'waiting')
            returning v.hostname, v.pool, v.generation, v.assignment_id
        ),
        made as (
            insert into assignments (id, pool, email, email_key, code, pin, state, hostname, generation, assigned_at)
            select $1, pool, $3, $4, $5::text, $6::text, 'assigned', hostname, generation, clock()
            from bound
            where assignment_id = $1
        ),
        dequeued as (
            update assignments
            set state = 'assigned',
                hostname = bound.hostname,
                generation = bound.generation,
                assigned_at = clock(),
                code = coalesce($5::text, code),
                pin = coalesce(pin, $6::text)
            from bound
            where assignments.id = bound.assignment_id and bound.assignment_id <> $1
        ),
        event as (
            insert into events (actor, action, pool, hostname, assignment_id, detail)
            select $7, '{EventActions.Assigned}', bound.pool, bound.hostname, bound.assignment_id, jsonb_build_object(
                'before', (select jsonb_build_object('state', state, 'hostname', hostname) from target),
                'after', jsonb_build_object('state', 'assigned', 'hostname', bound.hostname))
            from bound
        )
        select target.id as id_before, target.hostname as hostname_before, bound.assignment_id
        from (values (1)) one
        left join target on true
        left join bound on true
        """;

    private const string Extend =
        $"""
        with target as (
            select
                id, expires_at, coalesce($2::timestamptz, expires_at + $3::interval) as new_end,
                exists (select from idempotency_keys where caller = $4 and key = $5::text and is_done) as is_done
            from assignments
            where id = $1 and state <> 'ended'
            for no key update
        ),
        extended as (
            update assignments
            set expires_at = target.new_end
            from target
            where assignments.id = target.id and not target.is_done
                and target.new_end > clock() and target.new_end is distinct from target.expires_at
            returning assignments.id, pool, hostname, target.expires_at, target.new_end
        ),
        event as (
            insert into events (actor, action, pool, hostname, assignment_id, detail)
            select $4, '{EventActions.Extended}', pool, hostname, id, jsonb_build_object(
                'before', jsonb_build_object('expiresAt', expires_at), 'after', jsonb_build_object('expiresAt', new_end))
            from extended
        ),
        done as (
            -- In the same transaction: a retry whose first answer was lost must not extend once more.
            update idempotency_keys
            set is_done = true
            from extended
            where caller = $4 and key = $5::text and status is null
        )
        select case
            when is_done then '{nameof(ExtensionOutcome.Extended)}'
            when new_end is null then '{nameof(ExtensionOutcome.HasNoEnd)}'
            when new_end <= clock() then '{nameof(ExtensionOutcome.EndsInThePast)}'
            else '{nameof(ExtensionOutcome.Extended)}'
        end
        from target
        """;

    /// <summary>Selects the assignments of the filter that have not ended.</summary>
    private const string ToRelease =
        $"""
        select a.id, a.email, a.state, a.hostname
        from assignments a
        where {AssignmentFilter.Where} and a.state <> 'ended'
        order by a.id
        """;

    private const string Release =
        $"""
        with target as (
            select id, email, state, hostname, case state when 'waiting' then 'cancelled' else 'released' end as reason, $7 as actor
            from (
                {ToRelease}
                for no key update of a
            ) a
        ),
        {EndAssignmentsSql.Ctes}
        select id, email, state, hostname
        from target
        order by id
        """;

    /// <param name="hostname">The VM to move to, or null for any free VM of the pool.</param>
    /// <param name="from">The VM on which the admin saw the person, or null for any.</param>
    public async Task<MoveOutcome> MoveAsync(Guid id, Hostname? hostname, Hostname? from, string actor, CancellationToken cancel)
    {
        await using var command = database.Command(Move, id, hostname?.ToString(), from?.ToString(), actor);
        await using var row = await command.ExecuteReaderAsync(cancel);
        return !await row.ReadAsync(cancel) ? new MoveOutcome.UnknownAssignment()
            : row.GetEnum<AssignmentState>("state") == AssignmentState.Ended ? new MoveOutcome.AssignmentEnded()
            : !row.GetBoolean("is_movable") ? new MoveOutcome.Unchanged(id)
            : row.GetStringOrNull("hostname") is { } now ? new MoveOutcome.Moved(id, now, row.GetStringOrNull("hostname_before"), IsNew: false)
            : new MoveOutcome.NoVm();
    }

    public async Task<MoveOutcome> AssignAsync(Hostname hostname, string email, string? code, string actor, CancellationToken cancel)
    {
        var id = Guid.CreateVersion7();
        object?[] values = [id, hostname.ToString(), EmailKey.Normalise(email), EmailKey.Of(email), code, AssignmentStore.NewPin(code), actor];
        try
        {
            return await AssignOnceAsync(id, hostname, values, cancel);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            // The person has just asked by themselves; the second attempt sees that assignment.
            return await AssignOnceAsync(id, hostname, values, cancel);
        }
    }

    /// <param name="key">The key under which the extension is carried out once, however often it is requested; null: each time.</param>
    public async Task<ExtensionOutcome> ExtendAsync(
        Guid id, ExtensionRequest extension, string actor, IdempotencyKey? key, CancellationToken cancel)
    {
        await using var command = database.Command(Extend, id, extension.ExpiresAt?.ToUniversalTime(), extension.By, actor, key?.Value);
        return await command.ExecuteScalarAsync(cancel) is string outcome ? Enum.Parse<ExtensionOutcome>(outcome) : ExtensionOutcome.NoLiveAssignment;
    }

    /// <returns>The assignments that were ended, or would be, as they were before.</returns>
    public Task<List<TouchedAssignment>> ReleaseAsync(AssignmentFilter filter, string actor, bool dryRun, CancellationToken cancel) =>
        (dryRun ? database.Command(ToRelease, filter.Values) : database.Command(Release, [.. filter.Values, actor])).ListAsync(
            row => new TouchedAssignment(
                row.GetGuid("id"), row.GetString("email"), row.GetEnum<AssignmentState>("state"), row.GetStringOrNull("hostname")),
            cancel);

    private async Task<MoveOutcome> AssignOnceAsync(Guid id, string hostname, object?[] values, CancellationToken cancel)
    {
        await using var command = database.Command(Assign, values);
        await using var row = await command.ExecuteReaderAsync(cancel);
        await row.ReadAsync(cancel);
        var (before, had) = (row.GetOrNull<Guid>("id_before"), row.GetStringOrNull("hostname_before"));
        return row.GetOrNull<Guid>("assignment_id") is { } bound ? new MoveOutcome.Moved(bound, hostname, null, IsNew: bound == id)
            : had == hostname && before is { } here ? new MoveOutcome.Unchanged(here)
            : had is not null ? new MoveOutcome.HasAnotherVm(before!.Value, had)
            : new MoveOutcome.NoVm();
    }
}
