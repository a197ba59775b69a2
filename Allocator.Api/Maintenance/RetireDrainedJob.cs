using Allocator.Api.Data;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Maintenance;

/// <summary>Retires drained VMs that have no person and are clean.</summary>
internal sealed partial class RetireDrainedJob(NpgsqlDataSource database, ILogger<RetireDrainedJob> log) : MaintenanceJob("retire_drained")
{
    private const string Statement =
        $$"""
        with drained as (
            select hostname
            from vms
            where hold = 'draining' and state = 'held'
            order by hostname
            for no key update skip locked
        ),
        retired as (
            update vms
            set hold = 'retired'
            from drained
            where vms.hostname = drained.hostname
            returning vms.hostname, vms.pool
        )
        insert into events (actor, action, pool, hostname, detail)
        select 'allocator', '{{EventActions.VmRetired}}', pool, hostname, '{"before": {"hold": "draining"}, "after": {"hold": "retired"} }'
        from retired
        """;

    public override async Task RunAsync(CancellationToken cancel)
    {
        var retired = await database.Command(Statement).ExecuteAsync(cancel);
        if (retired > 0)
        {
            Log.Retired(log, retired);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "{Count} drained VM(s) are retired")]
        public static partial void Retired(ILogger log, int count);
    }
}
