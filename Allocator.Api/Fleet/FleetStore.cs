using Allocator.Api.Data;
using Npgsql;

namespace Allocator.Api.Fleet;

/// <summary>Reads the fleet: all of it, what changed, or one VM.</summary>
internal sealed class FleetStore(NpgsqlDataSource database)
{
    /// <summary>
    /// VMs, each beside its pool, whose queue is counted once; a pool without any has one row of its own. One statement,
    /// hence one snapshot, gives the rows and the cursor to go on from.
    /// </summary>
    private const string All =
        $"""
        with pool as materialized (
            select
                name,
                (select count(*)::int from assignments where pool = name and state = 'waiting') as waiting,
                (select count(*)::int from assignments where pool = name and requested_at > clock() - interval '1 minute') as requested,
                (select extract(epoch from clock() - min(requested_at))::float8 from assignments where pool = name and state = 'waiting') as longest_wait,
                pool_is_in_rush(opens_at, rush_until) as in_rush
            from pools
        )
        select
            pg_snapshot_xmin(pg_current_snapshot()), pool.name, pool.waiting, pool.requested, coalesce(pool.longest_wait, 0), pool.in_rush,
            {VmSnapshot.Columns}
        from pool
        left join (vms v left join assignments a on a.id = v.assignment_id)
            on v.pool = pool.name
        """;

    /// <summary>
    /// Those changed since the cursor $1, which is the xmin of an earlier snapshot: every transaction below it was
    /// finished and seen, one at or above it may have been running and is asked for again. Asking for "newer than the
    /// last one seen" instead would miss a transaction that took its number early and committed late. The upper bound
    /// leaves out rows that a restored dump brought from another server's future.
    /// </summary>
    private const string Changes =
        $"""
        {All}
            and v.changed_xid >= $1
            and v.changed_xid < pg_snapshot_xmax(pg_current_snapshot())
        """;

    private const string One =
        $"""
        select {VmSnapshot.Columns}
        from vms v
        left join assignments a on a.id = v.assignment_id
        where v.hostname = $1
        """;

    /// <summary>How many VMs are taken over before whoever waits for this thread gets it.</summary>
    private const int AtOnce = 64;

    /// <summary>The whole fleet, and the cursor to go on from.</summary>
    public async Task<(VmFleet.FleetSnapshot Picture, ulong Cursor)> LoadAsync(CancellationToken cancel)
    {
        var picture = new VmFleet.FleetSnapshot();
        await using var command = database.Command($"{All} and v.deleted_at is null");
        command.CommandTimeout = 0;
        var cursor = await ReadAsync(
            command,
            (pool, waiting, requested, longestWait, rush) => picture.Pool(pool).Update(waiting, requested, longestWait, rush),
            view => picture.Apply(view),
            cancel);
        return (picture, cursor.Next);
    }

    /// <summary>Brings the fleet up to date with what changed since <paramref name="cursor"/>; returns the next cursor, and how many VMs it read.</summary>
    public async Task<(ulong Next, int Vms)> ReadChangesAsync(ulong cursor, VmFleet fleet, CancellationToken cancel)
    {
        await using var command = database.Command(Changes, cursor);
        var pools = new HashSet<string>(StringComparer.Ordinal);
        var changes = await ReadAsync(
            command,
            (pool, waiting, requested, longestWait, rush) =>
            {
                pools.Add(pool);
                fleet.ApplyPool(pool, waiting, requested, longestWait, rush);
            },
            view => fleet.Apply(view),
            cancel);
        fleet.ForgetPoolsBut(pools);
        return changes;
    }

    /// <summary>Brings one VM up to date that has just changed by way of this replica, so that its next poll need not wait for the feed.</summary>
    public async Task RefreshAsync(string hostname, VmFleet fleet, CancellationToken cancel)
    {
        if (await FindAsync(hostname, cancel) is { } view)
        {
            fleet.Apply(view);
        }
    }

    public Task<VmSnapshot?> FindAsync(string hostname, CancellationToken cancel) =>
        database.Command(One, hostname).FirstAsync(row => VmSnapshot.Read(row), cancel);

    private static async Task<(ulong Next, int Vms)> ReadAsync(
        NpgsqlCommand command, Action<string, int, int, double, bool> applyPool, Action<VmSnapshot> applyVm, CancellationToken cancel)
    {
        await using var reader = await command.ExecuteReaderAsync(cancel);
        ulong cursor = 0;
        var vms = 0;
        var pool = "";
        while (await reader.ReadAsync(cancel))
        {
            cursor = reader.GetFieldValue<ulong>(0);
            var name = reader.GetString(1);
            if (name != pool)
            {
                pool = name;
                applyPool(name, reader.GetInt32(2), reader.GetInt32(3), reader.GetDouble(4), reader.GetBoolean(5));
            }
            if (!reader.IsDBNull(6))
            {
                applyVm(VmSnapshot.Read(reader, 6, pool));
                if (++vms % AtOnce == 0)
                {
                    // Rows that are here already are read without a wait: many of them would keep the polls waiting.
                    await Task.Yield();
                }
            }
        }
        return (cursor, vms);
    }
}
