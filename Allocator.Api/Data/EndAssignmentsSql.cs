namespace Allocator.Api.Data;

/// <summary>A part of statements that end assignments. Their VMs have to be cleaned before anybody else gets them.</summary>
internal static class EndAssignmentsSql
{
    /// <summary>
    /// The CTEs that end the assignments in <c>target (id, state, reason, actor)</c>, which are locked rows that have not
    /// ended. A transaction that holds the lock of an assignment knows which VM has it, so the VM is found by its name
    /// alone; that also finds a VM that was bound a moment ago. The event's action is the reason: see EventActions.
    /// </summary>
    public const string Ctes =
        """
        ended as (
            update assignments
            set state = 'ended', ended_at = clock(), end_reason = target.reason
            from target
            where assignments.id = target.id
            returning assignments.id, assignments.pool, assignments.hostname, end_reason, target.state as was, target.actor
        ),
        vacated as (
            update vms
            set assignment_id = null, cleaning = true
            from ended
            where vms.hostname = ended.hostname
        ),
        event as (
            insert into events (actor, action, pool, hostname, assignment_id, detail)
            select
                actor, end_reason, pool, hostname, id,
                jsonb_build_object('before', jsonb_build_object('state', was), 'after', jsonb_build_object('state', 'ended'))
            from ended
        )
        """;
}
