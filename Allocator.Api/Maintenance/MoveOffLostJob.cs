using Allocator.Api.Assignments;
using Allocator.Api.Data;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Maintenance;

/// <summary>
/// Requeues people who were connected to VMs that are now lost, in pools with <c>moveWhenLost</c>. A VM that reported a
/// reboot has <c>Delivery:OutcomeTimeout</c> to come back.
/// </summary>
internal sealed partial class MoveOffLostJob(
    NpgsqlDataSource database, IOptions<DeliveryOptions> options, ILogger<MoveOffLostJob> log) : MaintenanceJob("move_off_lost")
{
    private const string Statement =
        $"""
        with target as (
            select a.id, a.hostname, a.state, false as failed, false as ends, 'vm_lost' as why, null::text as detail
            from vms
            join pools on pools.name = vms.pool and pools.move_when_lost
            join assignments a on a.id = vms.assignment_id and a.hostname = vms.hostname
            where vms.lost_at is not null
                and (vms.status <> 'rebooting' or vms.lost_at < clock() - $1::interval)
                and a.state = 'connected'
            for no key update of a skip locked
        ),
        {RequeueSql.Ctes}
        select count(*)::int
        from requeued
        """;

    public override async Task RunAsync(CancellationToken cancel)
    {
        var requeued = await database.Command(Statement, options.Value.OutcomeTimeout).CountAsync(cancel);
        if (requeued > 0)
        {
            Log.Requeued(log, requeued);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} connected people were requeued because their VM is lost; see the events")]
        public static partial void Requeued(ILogger log, int count);
    }
}
