using System.Data;
using Allocator.Api.Data;
using Allocator.Contracts;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Assignments;

/// <summary>Stores the outcomes that VMs report for their assignments.</summary>
internal sealed class OutcomeStore(NpgsqlDataSource database, AssignmentMetrics metrics, IOptions<DeliveryOptions> options)
{
    private const string Connected =
        $"""
        with target as (
            select a.id, a.state, a.received_at is null as is_first_receipt, pools.duration
            from assignments a
            join pools on pools.name = a.pool
            where a.live_hostname = $1 and a.generation = $2
            for no key update of a
        ),
        connected as (
            update assignments
            set state = 'connected',
                received_at = coalesce(received_at, clock()),
                connected_at = coalesce(connected_at, clock()),
                connect_url = coalesce($3::text, connect_url),
                -- A person who was moved keeps their end.
                expires_at = coalesce(expires_at, clock() + target.duration)
            from target
            where assignments.id = target.id
            returning
                assignments.id, pool, hostname, expires_at, target.state = 'assigned' as is_first_connection,
                requested_at, assigned_at, received_at, connected_at, trace_parent, target.is_first_receipt
        ),
        vm as (
            -- Touches the VM, so that the feed tells every replica that no receipt is awaited any more.
            update vms
            set assignment_id = connected.id
            from connected
            where vms.hostname = connected.hostname
        ),
        event as (
            insert into events (actor, action, pool, hostname, assignment_id, detail)
            select 'vm:' || hostname, '{EventActions.Connected}', pool, hostname, id, jsonb_strip_nulls(jsonb_build_object(
                'before', jsonb_build_object('state', 'assigned'),
                'after', jsonb_build_object('state', 'connected', 'expiresAt', expires_at),
                'detail', $4::text))
            from connected
            where is_first_connection
        )
        select pool, hostname, requested_at, assigned_at, received_at, connected_at, trace_parent, is_first_connection, is_first_receipt
        from connected
        """;

    /// <summary>
    /// Requeues the person whose VM could not prepare for them. A VM that fails later (it cannot be cleaned, or its person
    /// was connected before a reboot) keeps its person and goes to the status error, for an admin to see.
    /// </summary>
    private const string Failed =
        $"""
        with target as (
            select id, hostname, state, true as failed, attempts + 1 >= $3 as ends, 'hook_failed' as why, $4::text as detail
            from assignments
            where live_hostname = $1 and generation = $2 and state = 'assigned'
            for no key update
        ),
        broken as (
            update vms
            set status = 'error', status_detail = $4::text
            where hostname = $1 and generation = $2 and state in ('cleaning', 'assigned') and not exists (select from target)
            returning hostname, pool, assignment_id
        ),
        {RequeueSql.Ctes},
        event as (
            insert into events (actor, action, pool, hostname, assignment_id, detail)
            select 'vm:' || hostname, '{EventActions.Broken}', pool, hostname, assignment_id, jsonb_strip_nulls(jsonb_build_object(
                'after', jsonb_build_object('status', 'error'), 'detail', $4::text))
            from broken
        )
        select 1 from requeued
        union all
        select 1 from broken
        """;

    private const string Clean =
        $"""
        with clean as (
            update vms
            set cleaning = false
            where hostname = $1 and generation = $2 and cleaning
            returning hostname, pool
        )
        insert into events (actor, action, pool, hostname, detail)
        select 'vm:' || hostname, '{EventActions.Clean}', pool, hostname, jsonb_strip_nulls(jsonb_build_object(
            'before', jsonb_build_object('cleaning', true), 'after', jsonb_build_object('cleaning', false), 'detail', $3::text))
        from clean
        returning 1
        """;

    /// <returns>False if that generation has been superseded, in which case nothing was changed.</returns>
    public async Task<bool> ReportAsync(string hostname, OutcomeReport report, CancellationToken cancel)
    {
        await using var command = report.Outcome switch
        {
            Outcome.Connected => database.Command(Connected, hostname, report.Generation, report.ConnectUrl, report.Detail),
            Outcome.Failed => database.Command(Failed, hostname, report.Generation, options.Value.MaxAttempts, report.Detail),
            _ => database.Command(Clean, hostname, report.Generation, report.Detail),
        };
        await using var row = await command.ExecuteReaderAsync(cancel);
        if (!await row.ReadAsync(cancel))
        {
            return false;
        }
        metrics.Reported(report.Outcome!.Value);
        if (report.Outcome == Outcome.Connected)
        {
            // The report may arrive before the receipt has been written.
            if (row.GetBoolean("is_first_receipt"))
            {
                metrics.Received(Milestone.Read(row, "assigned_at", "received_at"));
            }
            if (row.GetBoolean("is_first_connection"))
            {
                metrics.Connected(Milestone.Read(row, "received_at", "connected_at"));
            }
        }
        return true;
    }
}
