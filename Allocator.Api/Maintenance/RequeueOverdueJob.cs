using Allocator.Api.Assignments;
using Allocator.Api.Data;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Maintenance;

/// <summary>
/// Requeues people whose VM did not accept them: VMs that are lost, did not acknowledge the assignment within
/// <c>Delivery:DeliveryTimeout</c>, or did not report its outcome within <c>Delivery:OutcomeTimeout</c>.
/// </summary>
internal sealed partial class RequeueOverdueJob(
    NpgsqlDataSource database, IOptions<DeliveryOptions> options, ILogger<RequeueOverdueJob> log) : MaintenanceJob("requeue_overdue")
{
    private const string Statement =
        $"""
        with target as (
            select
                a.id, a.hostname, a.state, a.why = 'no_outcome' as failed, a.why = 'no_outcome' and a.attempts + 1 >= $3 as ends,
                a.why, null::text as detail
            from (
                select assignments.id, assignments.hostname, assignments.state, assignments.attempts, case
                    when vms.lost_at is not null then 'vm_lost'
                    when received_at is null and assigned_at < clock() - $1::interval then 'undelivered'
                    when assigned_at < clock() - $2::interval then 'no_outcome'
                end as why
                from assignments
                join vms on vms.hostname = assignments.hostname
                where assignments.state = 'assigned'
                order by assigned_at
                for no key update of assignments skip locked
            ) a
            where a.why is not null
        ),
        {RequeueSql.Ctes}
        select count(*)::int
        from requeued
        """;

    public override async Task RunAsync(CancellationToken cancel)
    {
        var delivery = options.Value;
        var requeued = await database.Command(Statement, delivery.DeliveryTimeout, delivery.OutcomeTimeout, delivery.MaxAttempts).CountAsync(cancel);
        if (requeued > 0)
        {
            Log.Requeued(log, requeued);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message =
            "{Count} assignment(s) were requeued because their VM did not accept them; see the events")]
        public static partial void Requeued(ILogger log, int count);
    }
}
