using System.Globalization;
using Allocator.Api.Data;
using Allocator.Api.Events;
using Allocator.Api.Vms;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Pools;

/// <summary>What came of a pool's deletion.</summary>
internal enum PoolDeletion
{
    Deleted,

    UnknownPool,

    /// <summary>It has VMs that are not deleted, or people.</summary>
    InUse,

    /// <summary>The one that always is.</summary>
    IsDefault,
}

/// <summary>Pools in the database.</summary>
internal sealed class PoolStore(NpgsqlDataSource database)
{
    /// <summary>Each table is gone through once, however many pools there are.</summary>
    private static readonly string Find =
        $"""
        with fleet as (
            select
                pool,
                count(*) as total,
                count(*) filter (where is_free) as free,
                array[{string.Join(", ", NotFree.Counted.Select(reason => $"count(*) filter (where {reason.Condition})"))}] as not_free
            from vms
            where deleted_at is null and ($1::text is null or pool = $1)
            group by pool
        ),
        preparing as (
            select pool, count(*) as people
            from assignments
            where state = 'assigned' and ($1::text is null or pool = $1)
            group by pool
        ),
        queue as (
            select pool, count(*) as waiting, extract(epoch from clock() - min(requested_at))::float8 as longest_wait
            from assignments
            where state = 'waiting' and ($1::text is null or pool = $1)
            group by pool
        ),
        admitted as (
            select pool, count(*) as people
            from roster
            where $1::text is null or pool = $1
            group by pool
        )
        select
            name, pool_is_open(open, opens_at, closes_at), access_code is not null, pool_is_in_rush(opens_at, rush_until),
            coalesce(fleet.total, 0), coalesce(fleet.free, 0), coalesce(preparing.people, 0), fleet.not_free,
            coalesce(queue.waiting, 0), queue.longest_wait, coalesce(admitted.people, 0),
            open, opens_at, closes_at, rush_until, duration, warning, move_when_lost, email_domains, most_per_address, rehearsal
        from pools
        left join fleet on fleet.pool = name
        left join preparing on preparing.pool = name
        left join queue on queue.pool = name
        left join admitted on admitted.pool = name
        where $1::text is null or name = $1
        order by name
        """;

    /// <summary>
    /// An access code that is not given stays as it was, since nobody is shown it; an empty one takes it away. Nothing is
    /// changed where the pool is of the other kind: what is real cannot be made to vanish like a rehearsal, nor the reverse.
    /// </summary>
    private const string Put =
        $"""
        with before as (
            select pool_settings(pools) as settings, access_code
            from pools
            where name = $1
        ),
        pool as (
            insert into pools (
                name, open, access_code, opens_at, closes_at, rush_until, duration, warning, move_when_lost, email_domains, most_per_address,
                rehearsal)
            values (
                $1, $2, coalesce(nullif($3::text, ''), (select access_code from before where $3::text is null)),
                $4::timestamptz, $5::timestamptz, $6::timestamptz, $7::interval, $8::interval, $9, $10::text[], $11::integer, $12)
            on conflict (name) do update
            set open = excluded.open,
                access_code = excluded.access_code,
                opens_at = excluded.opens_at,
                closes_at = excluded.closes_at,
                rush_until = excluded.rush_until,
                duration = excluded.duration,
                warning = excluded.warning,
                move_when_lost = excluded.move_when_lost,
                email_domains = excluded.email_domains,
                most_per_address = excluded.most_per_address
            where pools.rehearsal = excluded.rehearsal
            returning name, access_code, pool_settings(pools) as settings
        ),
        event as (
            insert into events (actor, action, pool, detail)
            select
                $13, case when before.settings is null then '{EventActions.PoolMade}' else '{EventActions.PoolChanged}' end, pool.name,
                jsonb_build_object(
                    'before', before.settings, 'after', pool.settings,
                    'accessCodeChanged', pool.access_code is distinct from before.access_code)
            from pool
            left join before on true
            where (pool.settings, pool.access_code) is distinct from (before.settings, before.access_code)
        )
        select 1
        from pool
        """;

    /// <summary>
    /// Deleted VMs outlive their pool, since their old tokens are to be told so: they go over to the default one. Of a
    /// rehearsal nothing stays but that it was made and deleted. Whoever joins in the same moment is found by the foreign
    /// keys, which are checked at the end, against what is true by then.
    /// </summary>
    private const string Delete =
        $$"""
        with pool as (
            select name, rehearsal, pool_settings(pools) as settings
            from pools
            where name = $1
            for update
        ),
        unused as (
            select name, rehearsal, settings
            from pool
            where name <> '{{PoolName.Default}}'
                and (
                    rehearsal
                    or (
                        not exists (select from vms where pool = $1 and deleted_at is null)
                        and not exists (select from assignments where pool = $1 and state <> 'ended')
                    )
                )
        ),
        told as (
            delete from events
            using unused
            where events.pool = unused.name and unused.rehearsal and events.action <> '{{EventActions.PoolMade}}'
        ),
        admitted as (
            delete from roster
            using unused
            where roster.pool = unused.name
        ),
        served as (
            delete from assignments
            using unused
            where assignments.pool = unused.name
            returning 1
        ),
        barred as (
            delete from enrolment_tokens
            using unused
            where enrolment_tokens.pool = unused.name
        ),
        silenced as (
            delete from liveness
            using vms, unused
            where vms.pool = unused.name and liveness.hostname = vms.hostname
        ),
        rehearsed as (
            delete from vms
            using unused
            where vms.pool = unused.name and unused.rehearsal
            returning 1
        ),
        kept as (
            update vms
            set pool = '{{PoolName.Default}}'
            from unused
            where vms.pool = unused.name and not unused.rehearsal
        ),
        gone as (
            delete from pools
            using unused
            where pools.name = unused.name
        ),
        event as (
            insert into events (actor, action, pool, detail)
            select $2, '{{EventActions.PoolDeleted}}', name, jsonb_build_object(
                'before', settings, 'after', null,
                'assignments', (select count(*) from served), 'vms', (select count(*) from rehearsed))
            from unused
        )
        select case when unused.name is not null then 'Deleted' when pool.name = '{{PoolName.Default}}' then 'IsDefault' else 'InUse' end
        from pool
        left join unused on true
        """;

    public async Task<IReadOnlyList<Pool>> ListAsync(CancellationToken cancel) =>
        await database.Command(Find, [null]).ListAsync(Read, cancel);

    public Task<Pool?> FindAsync(string name, CancellationToken cancel) =>
        database.Command(Find, name).FirstAsync(Read, cancel);

    /// <returns>False where there is a pool of that name that is a rehearsal's and is not to be, or the reverse.</returns>
    public async Task<bool> PutAsync(string name, PoolSettings settings, string actor, CancellationToken cancel)
    {
        await using var command = database.Command(
            Put, name, settings.Open, settings.AccessCode,
            settings.OpensAt?.ToUniversalTime(), settings.ClosesAt?.ToUniversalTime(), settings.RushUntil?.ToUniversalTime(),
            settings.Duration, settings.Warning, settings.MoveWhenLost,
            settings.EmailDomains?.Select(domain => domain.ToLowerInvariant()).Distinct().ToArray(), settings.MostPerAddress,
            settings.Rehearsal, actor);
        return await command.ExecuteScalarAsync(cancel) is not null;
    }

    public async Task<PoolDeletion> DeleteAsync(string name, string actor, CancellationToken cancel)
    {
        await using var batch = database.Batch((RetentionStore.Announce, []), (Delete, [name, actor]));
        // A large rehearsal leaves much.
        batch.Timeout = 300;
        try
        {
            await using var row = await batch.ExecuteReaderAsync(cancel);
            await row.NextResultAsync(cancel);
            return await row.ReadAsync(cancel) ? row.GetEnum<PoolDeletion>(0) : PoolDeletion.UnknownPool;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ForeignKeyViolation)
        {
            return PoolDeletion.InUse;
        }
    }

    private static Pool Read(NpgsqlDataReader row)
    {
        var counts = row.IsDBNull(7) ? new long[NotFree.Counted.Count] : row.GetFieldValue<long[]>(7);
        var notFree = NotFree.Counted.Zip(counts, (reason, vms) => new NotFreeCount(reason.Code, reason.Text, vms)).ToDictionary(reason => reason.Code);
        var (total, free, assigned, people, cleaning) = (row.GetInt64(4), row.GetInt64(5), row.GetInt64(6), notFree["assigned"].Vms, notFree["cleaning"].Vms);
        var vms = new PoolVms(
            total, free, assigned,
            Connected: people - assigned,
            cleaning,
            Unready: total - free - people - cleaning,
            Lost: notFree["lost"].Vms,
            GpuUnhealthy: notFree["gpu_unhealthy"].Vms,
            Held: notFree["held"].Vms + notFree["draining"].Vms + notFree["retired"].Vms);
        var waiting = row.GetInt64(8);
        var longest = row.GetOrNull<double>(9);
        var settings = new PoolSettings(
            row.GetBoolean(11), null, row.GetOrNull<DateTime>(12), row.GetOrNull<DateTime>(13), row.GetOrNull<DateTime>(14),
            row.GetOrNull<TimeSpan>(15), row.GetOrNull<TimeSpan>(16), row.GetBoolean(17),
            row.IsDBNull(18) ? null : row.GetFieldValue<string[]>(18), row.GetOrNull<int>(19),
            row.GetBoolean(20));
        return new Pool(
            row.GetString(0), row.GetBoolean(1), row.GetBoolean(2), row.GetBoolean(3), Summary(vms, waiting, longest), vms,
            [.. notFree.Values.Where(reason => reason.Vms > 0)], waiting, longest, row.GetInt64(10), settings);
    }

    private static string Summary(PoolVms vms, long waiting, double? longest) => string.Create(CultureInfo.InvariantCulture,
        $"{vms.Free} free, {vms.Assigned + vms.Connected} assigned, {vms.Cleaning} cleaning, {vms.Lost} lost, {vms.GpuUnhealthy} GPU unhealthy, {vms.Held} held; {waiting} waiting{(longest is null ? "" : $", longest {longest:0} s")}");
}
