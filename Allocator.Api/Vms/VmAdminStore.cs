using System.Data;
using Allocator.Api.Data;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Vms;

/// <summary>The outcome of a deletion.</summary>
internal enum DeletionOutcome
{
    /// <summary>The VM is deleted, by this request or an earlier one.</summary>
    Deleted,

    UnknownVm,

    /// <summary>A person has the VM.</summary>
    HasPerson,
}

/// <summary>Changes one or many VMs for admins. Each statement skips the VMs that have the requested state already.</summary>
internal sealed class VmAdminStore(NpgsqlDataSource database)
{
    /// <summary>
    /// Selects the VMs of the filter that would change; <see cref="VmFilter.Next1"/> is the new hold. A retired VM is not drained again.
    /// </summary>
    private const string ToHold =
        $"""
        select v.hostname, a.email, v.pool, v.hold
        from vms v
        left join assignments a on a.id = v.assignment_id
        where {VmFilter.Where}
            and v.hold is distinct from {VmFilter.Next1}::text
            and not ({VmFilter.Next1}::text is not distinct from 'draining' and v.hold is not distinct from 'retired')
        order by v.hostname
        """;

    private const string Hold =
        $"""
        with target as (
            {ToHold}
            for no key update of v
        ),
        held as (
            update vms
            set hold = {VmFilter.Next1}::text
            from target
            where vms.hostname = target.hostname
        ),
        event as (
            insert into events (actor, action, pool, hostname, detail)
            select
                {VmFilter.Next2},
                case {VmFilter.Next1}::text
                    when 'held' then '{EventActions.VmHeld}'
                    when 'draining' then '{EventActions.VmDrained}'
                    else '{EventActions.VmUnheld}'
                end,
                pool, hostname,
                jsonb_build_object('before', jsonb_build_object('hold', hold), 'after', jsonb_build_object('hold', {VmFilter.Next1}::text))
            from target
        )
        select hostname, email
        from target
        order by hostname
        """;

    /// <summary>
    /// Selects the assigned VMs of the filter. The assignment is locked first, and must still be that of the VM then; the VM
    /// is locked in <see cref="EndAssignmentsSql"/>.
    /// </summary>
    private const string ToRelease =
        $"""
        select a.id, a.state, a.hostname, a.email
        from assignments a
        join vms v on v.assignment_id = a.id and v.hostname = a.hostname
        where {VmFilter.Where}
            and a.state in ('assigned', 'connected')
        order by a.id
        """;

    private const string Release =
        $"""
        with target as (
            select id, state, hostname, email, 'released' as reason, {VmFilter.Next1} as actor
            from (
                {ToRelease}
                for no key update of a
            ) a
        ),
        {EndAssignmentsSql.Ctes}
        select hostname, email
        from target
        order by hostname
        """;

    private const string Delete =
        $"""
        with target as (
            select hostname, hold, deleted_at, assignment_id
            from vms
            where hostname = $1
            for no key update
        ),
        deleted as (
            update vms
            set hold = 'retired', deleted_at = clock(), lost_at = null
            from target
            where vms.hostname = target.hostname and target.deleted_at is null and target.assignment_id is null
            returning vms.hostname, vms.pool, target.hold
        ),
        deleted_liveness as (
            delete from liveness
            using deleted
            where liveness.hostname = deleted.hostname
        ),
        event as (
            insert into events (actor, action, pool, hostname, detail)
            select
                $2, '{EventActions.VmDeleted}', pool, hostname,
                jsonb_build_object(
                    'before', jsonb_build_object('hold', hold, 'deleted', false),
                    'after', jsonb_build_object('hold', 'retired', 'deleted', true))
            from deleted
        )
        select assignment_id is not null
        from target
        """;

    /// <param name="hold">The new hold, or null to put the VMs back into their pools.</param>
    /// <returns>The VMs that were changed, or would be.</returns>
    public Task<List<TouchedVm>> HoldAsync(VmFilter filter, VmHold? hold, string actor, bool dryRun, CancellationToken cancel) =>
        (dryRun
            ? database.Command(ToHold, [.. filter.Values, hold?.Text()])
            : database.Command(Hold, [.. filter.Values, hold?.Text(), actor])).ListAsync(ReadTouched, cancel);

    /// <returns>The VMs whose assignment was ended, or would be.</returns>
    public Task<List<TouchedVm>> ReleaseAsync(VmFilter filter, string actor, bool dryRun, CancellationToken cancel) =>
        (dryRun ? database.Command(ToRelease, filter.Values) : database.Command(Release, [.. filter.Values, actor])).ListAsync(ReadTouched, cancel);

    public async Task<DeletionOutcome> DeleteAsync(string hostname, string actor, CancellationToken cancel)
    {
        await using var command = database.Command(Delete, hostname, actor);
        return await command.ExecuteScalarAsync(cancel) switch
        {
            null => DeletionOutcome.UnknownVm,
            true => DeletionOutcome.HasPerson,
            _ => DeletionOutcome.Deleted,
        };
    }

    private static TouchedVm ReadTouched(NpgsqlDataReader row) => new(row.GetString("hostname"), row.GetStringOrNull("email"));
}
