namespace Allocator.Api.Assignments;

/// <summary>Ends assignments in the middle of a statement; their VMs have to be cleaned before anybody else gets them.</summary>
internal static class EndAssignmentsSql
{
    /// <summary>
    /// Follows a CTE <c>target (id, state, reason, actor)</c> of locked rows that have not ended. Whoever holds an
    /// assignment's row lock knows what its VM's row says of it, so the VM is found by name alone; that also finds one
    /// that was bound a moment ago.
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
