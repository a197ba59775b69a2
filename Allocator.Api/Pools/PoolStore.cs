using System.Globalization;
using Allocator.Api.Data;
using Allocator.Api.Vms;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Pools;

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
        )
        select
            name, pool_is_open(open, opens_at, closes_at), access_code is not null, pool_is_in_rush(opens_at, rush_until),
            coalesce(fleet.total, 0), coalesce(fleet.free, 0), coalesce(preparing.people, 0), fleet.not_free,
            coalesce(queue.waiting, 0), queue.longest_wait, (select count(*) from roster where pool = name),
            open, opens_at, closes_at, rush_until, duration, warning, move_when_lost, email_domains, most_per_address
        from pools
        left join fleet on fleet.pool = name
        left join preparing on preparing.pool = name
        left join queue on queue.pool = name
        where $1::text is null or name = $1
        order by name
        """;

    /// <summary>An access code that is not given stays as it was, since nobody is shown it; an empty one takes it away.</summary>
    private const string Put =
        """
        with before as (
            select pool_settings(pools) as settings, access_code
            from pools
            where name = $1
        ),
        pool as (
            insert into pools (
                name, open, access_code, opens_at, closes_at, rush_until, duration, warning, move_when_lost, email_domains, most_per_address)
            values (
                $1, $2, coalesce(nullif($3::text, ''), (select access_code from before where $3::text is null)),
                $4::timestamptz, $5::timestamptz, $6::timestamptz, $7::interval, $8::interval, $9, $10::text[], $11::integer)
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
            returning name, access_code, pool_settings(pools) as settings
        )
        insert into events (actor, action, pool, detail)
        select
            $12, case when before.settings is null then 'pool_made' else 'pool_changed' end, pool.name,
            jsonb_build_object(
                'before', before.settings, 'after', pool.settings,
                'accessCodeChanged', pool.access_code is distinct from before.access_code)
        from pool
        left join before on true
        where (pool.settings, pool.access_code) is distinct from (before.settings, before.access_code)
        """;

    public async Task<IReadOnlyList<Pool>> ListAsync(CancellationToken cancel) =>
        await database.Command(Find, [null]).ListAsync(Read, cancel);

    public Task<Pool?> FindAsync(string name, CancellationToken cancel) =>
        database.Command(Find, name).FirstAsync(Read, cancel);

    public Task PutAsync(string name, PoolSettings settings, string actor, CancellationToken cancel) => database.Command(
        Put, name, settings.Open, settings.AccessCode,
        settings.OpensAt?.ToUniversalTime(), settings.ClosesAt?.ToUniversalTime(), settings.RushUntil?.ToUniversalTime(),
        settings.Duration, settings.Warning, settings.MoveWhenLost,
        settings.EmailDomains?.Select(domain => domain.ToLowerInvariant()).Distinct().ToArray(), settings.MostPerAddress,
        actor).ExecuteAsync(cancel);

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
            row.IsDBNull(18) ? null : row.GetFieldValue<string[]>(18), row.GetOrNull<int>(19));
        return new Pool(
            row.GetString(0), row.GetBoolean(1), row.GetBoolean(2), row.GetBoolean(3), Summary(vms, waiting, longest), vms,
            [.. notFree.Values.Where(reason => reason.Vms > 0)], waiting, longest, row.GetInt64(10), settings);
    }

    private static string Summary(PoolVms vms, long waiting, double? longest) => string.Create(CultureInfo.InvariantCulture,
        $"{vms.Free} free, {vms.Assigned + vms.Connected} assigned, {vms.Cleaning} cleaning, {vms.Lost} lost, {vms.GpuUnhealthy} GPU unhealthy, {vms.Held} held; {waiting} waiting{(longest is null ? "" : $", longest {longest:0} s")}");
}
