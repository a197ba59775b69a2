using System.Globalization;
using Allocator.Api.Data;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Pools;

/// <summary>Pools in the database.</summary>
internal sealed class PoolStore(NpgsqlDataSource database)
{
    private const string Find =
        """
        select
            pools.name, pools.open, pools.access_code is not null,
            vms.total, vms.free, live.assigned, live.connected, vms.cleaning, vms.lost, vms.gpu_unhealthy, vms.held,
            queue.waiting, queue.longest_wait
        from pools
        cross join lateral (
            select
                count(*) as total,
                count(*) filter (where is_free) as free,
                count(*) filter (where state = 'cleaning') as cleaning,
                count(*) filter (where lost_at is not null) as lost,
                count(*) filter (where gpu = 'unhealthy') as gpu_unhealthy,
                count(*) filter (where hold is not null) as held
            from vms
            where pool = pools.name
        ) vms
        cross join lateral (
            select count(*) filter (where state = 'assigned') as assigned, count(*) filter (where state = 'connected') as connected
            from assignments
            where pool = pools.name and live_hostname is not null
        ) live
        cross join lateral (
            select count(*) as waiting, extract(epoch from clock() - min(requested_at))::float8 as longest_wait
            from assignments
            where pool = pools.name and state = 'waiting'
        ) queue
        where $1::text is null or pools.name = $1
        order by pools.name
        """;

    private const string Put =
        """
        with before as (
            select open, access_code
            from pools
            where name = $1
        ),
        pool as (
            insert into pools (name, open, access_code)
            values ($1, $2, $3::text)
            on conflict (name) do update
            set open = excluded.open, access_code = excluded.access_code
            returning name
        )
        insert into events (actor, action, pool, detail)
        select
            $4, case when before.open is null then 'pool_made' else 'pool_changed' end, pool.name,
            -- Whether there is a code, never which.
            jsonb_build_object(
                'before', jsonb_build_object('open', before.open, 'needsAccessCode', before.access_code is not null),
                'after', jsonb_build_object('open', $2::boolean, 'needsAccessCode', $3::text is not null))
        from pool
        left join before on true
        """;

    public async Task<IReadOnlyList<Pool>> ListAsync(CancellationToken cancel) =>
        await database.Command(Find, [null]).ListAsync(Read, cancel);

    public Task<Pool?> FindAsync(string name, CancellationToken cancel) =>
        database.Command(Find, name).FirstAsync(Read, cancel);

    public Task PutAsync(string name, PoolSettings settings, string actor, CancellationToken cancel) =>
        database.Command(Put, name, settings.Open, settings.AccessCode, actor).ExecuteAsync(cancel);

    private static Pool Read(NpgsqlDataReader row)
    {
        var (total, free, assigned, connected, cleaning) = (row.GetInt64(3), row.GetInt64(4), row.GetInt64(5), row.GetInt64(6), row.GetInt64(7));
        var vms = new PoolVms(
            total, free, assigned, connected, cleaning,
            Unready: total - free - assigned - connected - cleaning,
            Lost: row.GetInt64(8),
            GpuUnhealthy: row.GetInt64(9),
            Held: row.GetInt64(10));
        var waiting = row.GetInt64(11);
        var longest = row.GetOrNull<double>(12);
        return new Pool(row.GetString(0), row.GetBoolean(1), row.GetBoolean(2), Summary(vms, waiting, longest), vms, waiting, longest);
    }

    private static string Summary(PoolVms vms, long waiting, double? longest) => string.Create(CultureInfo.InvariantCulture,
        $"{vms.Free} free, {vms.Assigned + vms.Connected} assigned, {vms.Cleaning} cleaning, {vms.Lost} lost, {vms.GpuUnhealthy} GPU unhealthy, {vms.Held} held; {waiting} waiting{(longest is null ? "" : $", longest {longest:0} s")}");
}
