using Allocator.Api.Data;
using Allocator.Api.Vms;
using Allocator.Contracts;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Maintenance;

/// <summary>Marks VMs as lost that have not polled for <c>Liveness:LostAfter</c>.</summary>
internal sealed partial class MarkLostJob(
    NpgsqlDataSource database, IOptions<LivenessOptions> options, ILogger<MarkLostJob> log) : MaintenanceJob("mark_lost")
{
    /// <summary>
    /// The first replica after each interval checks the fleet, and the others skip that interval. If no replica has checked
    /// it for a long time, the allocator itself was unavailable and could receive no polls.
    /// </summary>
    private const string TakeTurn =
        """
        update sweeper
        set swept_at = clock(),
            dark_at = case when swept_at < clock() - $2::interval / 2 then clock() else dark_at end
        where swept_at <= clock() - $1::interval
        """;

    /// <summary>
    /// Marks VMs as lost that stopped polling, unless so many stopped at once that the allocator itself was probably
    /// unreachable: when no polls arrive at all, or most VMs stop at once, no VM is marked until others have polled for the
    /// whole time again. In a fleet of fewer than five VMs "most" means little, so each VM is considered by itself.
    /// </summary>
    private const string MarkLost =
        $$"""
        with silent as materialized (
            select vms.hostname
            from liveness
            join vms on vms.hostname = liveness.hostname
            where liveness.polled_at < clock() - $1::interval and vms.lost_at is null
        ),
        fleet as (
            select
                (select count(*) from silent) as silent,
                (select count(*) from liveness) - (select count(*) from vms where lost_at is not null) as present,
                (select max(polled_at) from liveness) as last_poll
        ),
        dark as (
            update sweeper
            set dark_at = clock()
            from fleet
            where fleet.present >= 5
                and (
                    fleet.last_poll < clock() - $1::interval / 2
                    or (fleet.silent * 2 > fleet.present and sweeper.dark_at < clock() - 2 * $1::interval)
                )
            returning 1
        ),
        lost as (
            update vms
            set lost_at = clock()
            from silent
            where vms.hostname = silent.hostname
                and vms.lost_at is null
                and not exists (select from dark)
                and exists (select from sweeper where dark_at <= clock() - $1::interval)
            returning vms.hostname, vms.pool
        )
        insert into events (actor, action, pool, hostname, detail)
        select
            'allocator', '{{EventActions.VmLost}}', pool, hostname,
            '{"before": {"presence": "present"}, "after": {"presence": "lost"} }'
        from lost
        """;

    public override async Task RunAsync(CancellationToken cancel)
    {
        var lostAfter = options.Value.LostAfter;
        if (await database.Command(TakeTurn, options.Value.SweepInterval, lostAfter).ExecuteAsync(cancel) == 0)
        {
            return;
        }
        var lost = await database.Command(MarkLost, lostAfter).ExecuteAsync(cancel);
        if (lost > 0)
        {
            Log.Lost(log, lost);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} VM(s) are lost: no poll for Liveness:LostAfter")]
        public static partial void Lost(ILogger log, int count);
    }
}
