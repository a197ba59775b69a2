using Allocator.Api.Assignments;
using Allocator.Api.Data;
using Npgsql;

namespace Allocator.Api.Vms;

/// <summary>
/// What time brings about: overdue deliveries and lost VMs. Any number of replicas may sweep at once: each statement
/// changes only rows that still need it, and passes over those that another one is changing.
/// </summary>
internal sealed class SweeperStore(NpgsqlDataSource database)
{
    private const string RequeueOverdue =
        $"""
        with target as (
            select
                a.id, a.hostname, a.why = 'no_outcome' as failed, a.why = 'no_outcome' and a.attempts + 1 >= $3 as ends,
                a.why, null::text as detail
            from (
                select assignments.id, assignments.hostname, assignments.attempts, case
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
        {Requeue.Ctes}
        select count(*)::int
        from requeued
        """;

    /// <summary>
    /// Whoever comes first after the interval has the turn to look through the fleet. A long time without any turn means
    /// that the allocator itself was away and heard nobody.
    /// </summary>
    private const string TakeTurn =
        """
        update sweeper
        set swept_at = clock(),
            dark_at = case when swept_at < clock() - $2::interval / 2 then clock() else dark_at end
        where swept_at <= clock() - $1::interval
        """;

    /// <summary>
    /// Marks VMs lost whose polls have stopped, unless it looks as if it were not they who are gone: when nobody at all
    /// is heard, or most fall silent at once, nobody is marked until others have been heard for the whole time again.
    /// In a fleet of fewer than five "most" says nothing, and each VM is judged by itself.
    /// </summary>
    private const string MarkLost =
        """
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
                (select max(polled_at) from liveness) as newest
        ),
        dark as (
            update sweeper
            set dark_at = clock()
            from fleet
            where fleet.present >= 5
                and (
                    fleet.newest < clock() - $1::interval / 2
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
        insert into events (actor, action, pool, hostname)
        select 'allocator', 'vm_lost', pool, hostname
        from lost
        """;

    /// <returns>How many persons were put back to the head of the queue, or ended as failed.</returns>
    public async Task<int> RequeueOverdueAsync(DeliveryOptions options, CancellationToken cancel)
    {
        await using var command = database.Command(RequeueOverdue, options.DeliveryTimeout, options.OutcomeTimeout, options.MaxAttempts);
        return (int)(await command.ExecuteScalarAsync(cancel))!;
    }

    /// <returns>How many VMs were marked lost.</returns>
    public async Task<int> MarkLostAsync(TimeSpan interval, TimeSpan lostAfter, CancellationToken cancel) =>
        await database.Command(TakeTurn, interval, lostAfter).ExecuteAsync(cancel) == 1
            ? await database.Command(MarkLost, lostAfter).ExecuteAsync(cancel)
            : 0;
}
