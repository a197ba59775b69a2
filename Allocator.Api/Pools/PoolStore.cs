using System.Globalization;
using Allocator.Api.Data;
using Allocator.Api.Vms;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Pools;

/// <summary>Pools in the database.</summary>
internal sealed class PoolStore(NpgsqlDataSource database)
{
    private static readonly string Find =
        $"""
        select
            pools.name, pool_is_open(open, opens_at, closes_at), access_code is not null, pool_is_in_rush(opens_at, rush_until),
            vms.total, vms.free, live.assigned, live.connected, vms.not_free,
            queue.waiting, queue.longest_wait, (select count(*) from roster where pool = pools.name),
            open, opens_at, closes_at, rush_until, duration, warning, move_when_lost, email_domains, most_per_address
        from pools
        cross join lateral (
            select
                count(*) as total,
                count(*) filter (where is_free) as free,
                array[{string.Join(", ", NotFree.Counted.Select(reason => $"count(*) filter (where {reason.Condition})"))}] as not_free
            from vms
            where pool = pools.name and deleted_at is null
        ) vms
        cross join lateral (
            select count(*) filter (where state = 'assigned') as assigned, count(*) filter (where state = 'connected') as connected
            from assignments
            where pool = pools.name and state in ('assigned', 'connected')
        ) live
        cross join lateral (
            select count(*) as waiting, extract(epoch from clock() - min(requested_at))::float8 as longest_wait
            from assignments
            where pool = pools.name and state = 'waiting'
        ) queue
        where $1::text is null or pools.name = $1
        order by pools.name
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
        var notFree = NotFree.Counted.Zip(row.GetFieldValue<long[]>(8))
            .ToDictionary(pair => pair.First.Code, pair => new NotFreeCount(pair.First.Code, pair.First.Text, pair.Second));
        var (total, free, assigned, connected, cleaning) = (row.GetInt64(4), row.GetInt64(5), row.GetInt64(6), row.GetInt64(7), notFree["cleaning"].Vms);
        var vms = new PoolVms(
            total, free, assigned, connected, cleaning,
            // Each number is of its own; in a moment of change they may not quite add up.
            Unready: Math.Max(0, total - free - assigned - connected - cleaning),
            Lost: notFree["lost"].Vms,
            GpuUnhealthy: notFree["gpu_unhealthy"].Vms,
            Held: notFree["held"].Vms + notFree["draining"].Vms + notFree["retired"].Vms);
        var waiting = row.GetInt64(9);
        var longest = row.GetOrNull<double>(10);
        var settings = new PoolSettings(
            row.GetBoolean(12), null, row.GetOrNull<DateTime>(13), row.GetOrNull<DateTime>(14), row.GetOrNull<DateTime>(15),
            row.GetOrNull<TimeSpan>(16), row.GetOrNull<TimeSpan>(17), row.GetBoolean(18),
            row.IsDBNull(19) ? null : row.GetFieldValue<string[]>(19), row.GetOrNull<int>(20));
        return new Pool(
            row.GetString(0), row.GetBoolean(1), row.GetBoolean(2), row.GetBoolean(3), Summary(vms, waiting, longest), vms,
            [.. notFree.Values.Where(reason => reason.Vms > 0)], waiting, longest, row.GetInt64(11), settings);
    }

    private static string Summary(PoolVms vms, long waiting, double? longest) => string.Create(CultureInfo.InvariantCulture,
        $"{vms.Free} free, {vms.Assigned + vms.Connected} assigned, {vms.Cleaning} cleaning, {vms.Lost} lost, {vms.GpuUnhealthy} GPU unhealthy, {vms.Held} held; {waiting} waiting{(longest is null ? "" : $", longest {longest:0} s")}");
}
