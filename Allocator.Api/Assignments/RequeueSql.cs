using Allocator.Contracts;

namespace Allocator.Api.Assignments;

/// <summary>
/// A part of statements that take people away from VMs that did not accept them. A person keeps the time of their request,
/// which puts them at the head of the queue; the VM has to report that it is clean before anybody else gets it.
/// </summary>
internal static class RequeueSql
{
    /// <summary>
    /// The CTEs that requeue the assignments in <c>target (id, hostname, state, failed, ends, why, detail)</c>, which are
    /// locked rows, assigned or connected: <c>failed</c> counts as an attempt, <c>ends</c> marks the last attempt, and
    /// <c>why</c> and <c>detail</c> are for the event.
    /// </summary>
    public const string Ctes =
        $"""
        moved as (
            update assignments
            set state = case when ends then 'ended' else 'waiting' end,
                attempts = attempts + failed::int,
                hostname = case when ends then assignments.hostname end,
                generation = case when ends then generation end,
                assigned_at = case when ends then assigned_at end,
                received_at = case when ends then received_at end,
                connected_at = case when ends then connected_at end,
                connect_url = null,
                ended_at = case when ends then clock() end,
                end_reason = case when ends then 'failed' end
            from target
            where assignments.id = target.id
            returning assignments.id, assignments.pool, assignments.attempts, target.hostname, target.ends, target.why, target.detail,
                target.state as was, assignments.state
        ),
        vm as (
            update vms
            set assignment_id = null,
                cleaning = true,
                status = case when moved.why = 'hook_failed' then 'error' else status end,
                status_detail = case when moved.why = 'hook_failed' then moved.detail else status_detail end
            from moved
            where vms.hostname = moved.hostname
        ),
        requeued as (
            insert into events (actor, action, pool, hostname, assignment_id, detail)
            select
                case why when 'hook_failed' then 'vm:' || hostname else 'allocator' end,
                case when ends then '{EventActions.Failed}' else '{EventActions.Requeued}' end,
                pool, hostname, id,
                jsonb_strip_nulls(jsonb_build_object(
                    'before', jsonb_build_object('state', was), 'after', jsonb_build_object('state', state),
                    'why', why, 'attempts', attempts, 'detail', detail))
            from moved
            returning 1
        )
        """;
}
