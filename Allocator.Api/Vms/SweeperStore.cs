using Allocator.Api.Assignments;
using Allocator.Api.Data;
using Allocator.Contracts;
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

    /// <summary>
    /// Persons who were connected to VMs that are gone, in pools that want them moved. A VM that reboots is given
    /// <c>$1</c> to come back.
    /// </summary>
    private const string MoveOffLost =
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

    private const string Expire =
        $"""
        with target as (
            select id, state, 'expired' as reason, 'allocator' as actor
            from assignments
            where expires_at <= clock() and state <> 'ended'
            order by expires_at
            for no key update skip locked
        ),
        {EndAssignmentsSql.Ctes}
        select count(*)::int
        from ended
        """;

    /// <summary>Drained VMs that are nobody's and clean.</summary>
    private const string Retire =
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
        insert into events (actor, action, pool, hostname, detail)
        select 'allocator', '{{EventActions.VmLost}}', pool, hostname, '{"before": {"presence": "present"}, "after": {"presence": "lost"} }'
        from lost
        """;

    /// <returns>How many persons were put back to the head of the queue, or ended as failed.</returns>
    public Task<int> RequeueOverdueAsync(DeliveryOptions options, CancellationToken cancel) =>
        CountAsync(database.Command(RequeueOverdue, options.DeliveryTimeout, options.OutcomeTimeout, options.MaxAttempts), cancel);

    /// <returns>How many persons were put back to the head of the queue because their VM is gone.</returns>
    public Task<int> MoveOffLostAsync(DeliveryOptions options, CancellationToken cancel) =>
        CountAsync(database.Command(MoveOffLost, options.OutcomeTimeout), cancel);

    /// <returns>How many assignments ended because their time was up.</returns>
    public Task<int> ExpireAsync(CancellationToken cancel) =>
        CountAsync(database.Command(Expire), cancel);

    /// <returns>How many drained VMs were retired.</returns>
    public Task<int> RetireAsync(CancellationToken cancel) => database.Command(Retire).ExecuteAsync(cancel);

    /// <returns>Whether it is this replica's turn to do what is needed only once for each interval.</returns>
    public async Task<bool> TakeTurnAsync(TimeSpan interval, TimeSpan lostAfter, CancellationToken cancel) =>
        await database.Command(TakeTurn, interval, lostAfter).ExecuteAsync(cancel) == 1;

    /// <returns>How many VMs were marked lost.</returns>
    public Task<int> MarkLostAsync(TimeSpan lostAfter, CancellationToken cancel) =>
        database.Command(MarkLost, lostAfter).ExecuteAsync(cancel);

    private static async Task<int> CountAsync(NpgsqlCommand command, CancellationToken cancel)
    {
        await using (command)
        {
            return (int)(await command.ExecuteScalarAsync(cancel))!;
        }
    }
}
