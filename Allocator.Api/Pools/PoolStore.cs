using System.Data;
using System.Globalization;
using System.Text.Json;
using Allocator.Api.Data;
using Allocator.Api.Events;
using Allocator.Api.Vms;
using Allocator.Api.Web;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Pools;

/// <summary>The outcome of a pool's deletion.</summary>
internal enum PoolDeletion
{
    Deleted,

    UnknownPool,

    /// <summary>The pool has VMs that are not deleted, or people.</summary>
    InUse,

    /// <summary>The default pool cannot be deleted.</summary>
    IsDefault,
}

/// <summary>Stores, reads and counts pools.</summary>
internal sealed class PoolStore(NpgsqlDataSource database)
{
    /// <summary>Reads pools with their counts. Each table is read once, however many pools there are.</summary>
    private const string Find =
        """
        with vms_by_reasons as (
            select pool, unavailable_reasons, count(*) as vms
            from vms
            where deleted_at is null and ($1::text is null or pool = $1)
            group by pool, unavailable_reasons
        ),
        fleet as (
            select pool, sum(vms)::bigint as total, sum(vms) filter (where unavailable_reasons = '{}')::bigint as free
            from vms_by_reasons
            group by pool
        ),
        unavailable as (
            select pool, jsonb_object_agg(reason, vms)::text as by_reason
            from (
                select pool, reason, sum(vms) as vms
                from vms_by_reasons, unnest(unavailable_reasons) as reason
                group by pool, reason
            ) counts
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
        invited as (
            select pool, count(*) as people
            from roster
            where $1::text is null or pool = $1
            group by pool
        )
        select
            name, pool_is_open(open, opens_at, closes_at) as is_open, access_code is not null as needs_access_code,
            pool_is_in_rush(opens_at, rush_until) as in_rush,
            coalesce(fleet.total, 0) as total, coalesce(fleet.free, 0) as free, coalesce(preparing.people, 0) as preparing,
            unavailable.by_reason, coalesce(queue.waiting, 0) as waiting, queue.longest_wait, coalesce(invited.people, 0) as on_roster,
            open, opens_at, closes_at, rush_until, duration, warning, move_when_lost, email_domains, most_per_address, rehearsal
        from pools
        left join fleet on fleet.pool = name
        left join unavailable on unavailable.pool = name
        left join preparing on preparing.pool = name
        left join queue on queue.pool = name
        left join invited on invited.pool = name
        where $1::text is null or name = $1
        order by name
        """;

    /// <summary>
    /// Creates or replaces a pool. An omitted access code is kept, since nobody can read it; an empty one removes it. Nothing
    /// changes if the flag "rehearsal" differs: a real pool must not become one that is deleted with everything in it.
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
    /// Deletes a pool. Deleted VMs outlive it, so that their old tokens still get a clear answer: they move to the default
    /// pool. Of a rehearsal only the events of its creation and deletion remain. The foreign keys, which are checked at the
    /// end of the statement, detect a VM or a person that joined at the same moment.
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
        deleted_events as (
            delete from events
            using unused
            where events.pool = unused.name and unused.rehearsal and events.action <> '{{EventActions.PoolMade}}'
        ),
        deleted_roster as (
            delete from roster
            using unused
            where roster.pool = unused.name
        ),
        deleted_assignments as (
            delete from assignments
            using unused
            where assignments.pool = unused.name
            returning 1
        ),
        deleted_tokens as (
            delete from enrolment_tokens
            using unused
            where enrolment_tokens.pool = unused.name
        ),
        deleted_liveness as (
            delete from liveness
            using vms, unused
            where vms.pool = unused.name and liveness.hostname = vms.hostname
        ),
        deleted_vms as (
            delete from vms
            using unused
            where vms.pool = unused.name and unused.rehearsal
            returning 1
        ),
        moved_vms as (
            update vms
            set pool = '{{PoolName.Default}}'
            from unused
            where vms.pool = unused.name and not unused.rehearsal
        ),
        deleted_pool as (
            delete from pools
            using unused
            where pools.name = unused.name
        ),
        event as (
            insert into events (actor, action, pool, detail)
            select $2, '{{EventActions.PoolDeleted}}', name, jsonb_build_object(
                'before', settings, 'after', null,
                'assignments', (select count(*) from deleted_assignments), 'vms', (select count(*) from deleted_vms))
            from unused
        )
        select case when unused.name is not null then 'Deleted' when pool.name = '{{PoolName.Default}}' then 'IsDefault' else 'InUse' end as outcome
        from pool
        left join unused on true
        """;

    public async Task<IReadOnlyList<Pool>> ListAsync(CancellationToken cancel) =>
        await database.Command(Find, [null]).ListAsync(Read, cancel);

    public Task<Pool?> FindAsync(string name, CancellationToken cancel) =>
        database.Command(Find, name).FirstAsync(Read, cancel);

    /// <returns>False if there is a pool of that name whose flag "rehearsal" differs.</returns>
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
        await using var batch = database.Batch((EventStore.AllowDeletion, []), (Delete, [name, actor]));
        // A large rehearsal leaves many rows.
        batch.Timeout = 300;
        try
        {
            await using var row = await batch.ExecuteReaderAsync(cancel);
            await row.NextResultAsync(cancel);
            return await row.ReadAsync(cancel) ? row.GetEnum<PoolDeletion>("outcome") : PoolDeletion.UnknownPool;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ForeignKeyViolation)
        {
            return PoolDeletion.InUse;
        }
    }

    private static Pool Read(NpgsqlDataReader row)
    {
        var counts = row.GetStringOrNull("by_reason") is { } json ? JsonSerializer.Deserialize<Dictionary<string, long>>(json)! : [];
        long Count(string reason) => counts.GetValueOrDefault(reason);
        var (total, free, preparing) = (row.GetInt64("total"), row.GetInt64("free"), row.GetInt64("preparing"));
        var vms = new PoolVms(
            total,
            free,
            preparing,
            Connected: Count("assigned") - preparing,
            Count("cleaning"),
            Unready: total - free - Count("assigned") - Count("cleaning"),
            Count("lost"),
            Count("gpu_unhealthy"),
            Held: Count("held") + Count("draining") + Count("retired"));
        var notFree = UnavailableReasons.All
            .Where(reason => counts.ContainsKey(reason.Code))
            .Select(reason => new NotFreeCount(reason.Code, reason.Plural, Count(reason.Code)));
        var (waiting, longestWait) = (row.GetInt64("waiting"), row.GetOrNull<double>("longest_wait"));
        var settings = new PoolSettings(
            row.GetBoolean("open"),
            AccessCode: null,
            row.GetOrNull<DateTime>("opens_at"),
            row.GetOrNull<DateTime>("closes_at"),
            row.GetOrNull<DateTime>("rush_until"),
            row.GetOrNull<TimeSpan>("duration"),
            row.GetOrNull<TimeSpan>("warning"),
            row.GetBoolean("move_when_lost"),
            row.IsDBNull("email_domains") ? null : row.GetFieldValue<string[]>("email_domains"),
            row.GetOrNull<int>("most_per_address"),
            row.GetBoolean("rehearsal"));
        return new Pool(
            row.GetString("name"), row.GetBoolean("is_open"), row.GetBoolean("needs_access_code"), row.GetBoolean("in_rush"),
            Summary(vms, waiting, longestWait), vms, [.. notFree], waiting, longestWait, row.GetInt64("on_roster"), settings);
    }

    private static string Summary(PoolVms vms, long waiting, double? longestWait) => string.Create(
        CultureInfo.InvariantCulture,
        $"{vms.Free} free, {vms.Assigned + vms.Connected} assigned, {vms.Cleaning} cleaning, {vms.Lost} lost, "
        + $"{vms.GpuUnhealthy} GPU unhealthy, {vms.Held} held; "
        + $"{waiting} waiting{(longestWait is null ? "" : $", longest {longestWait:0} s")}");
}
