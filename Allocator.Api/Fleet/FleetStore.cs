using Allocator.Api.Data;
using Npgsql;

namespace Allocator.Api.Fleet;

/// <summary>Reads the whole fleet, the changes since a cursor, or one VM.</summary>
internal sealed class FleetStore(NpgsqlDataSource database)
{
    /// <summary>
    /// Reads VMs, each with its pool, whose queue is counted once; a pool without VMs has one row of its own. One statement,
    /// and therefore one snapshot, returns the rows and the next cursor.
    /// </summary>
    private const string All =
        $"""
        with pool as materialized (
            select
                name,
                (select count(*)::int from assignments where pool = name and state = 'waiting') as waiting,
                (select count(*)::int from assignments where pool = name and requested_at > clock() - interval '1 minute') as requested,
                (
                    select extract(epoch from clock() - min(requested_at))::float8
                    from assignments
                    where pool = name and state = 'waiting'
                ) as longest_wait,
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
    /// Reads the VMs that changed since the cursor $1, which is the xmin of an earlier snapshot: every transaction below it
    /// had finished and was seen; one at or above it may have been running and is read again. "Newer than the last one
    /// seen" would miss a transaction that took its number early and committed late. The upper bound excludes rows that a
    /// restored dump brought from another server with higher transaction ids.
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

    /// <summary>The feed yields its thread after this many rows, so that queued polls are not starved.</summary>
    private const int RowsBetweenYields = 64;

    /// <summary>Reads the whole fleet, and the cursor for the changes after it.</summary>
    public async Task<(VmFleet.FleetSnapshot Snapshot, ulong Cursor)> LoadAsync(CancellationToken cancel)
    {
        var snapshot = new VmFleet.FleetSnapshot();
        await using var command = database.Command($"{All} and v.deleted_at is null");
        command.CommandTimeout = 0;
        var cursor = await ReadAsync(
            command,
            (pool, waiting, requested, longestWait, rush) => snapshot.Pool(pool).Update(waiting, requested, longestWait, rush),
            view => snapshot.Apply(view),
            cancel);
        return (snapshot, cursor.Next);
    }

    /// <summary>Applies the changes since <paramref name="cursor"/>, and returns the next cursor and the number of VMs read.</summary>
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
                if (++vms % RowsBetweenYields == 0)
                {
                    // ReadAsync completes synchronously for buffered rows; without a yield a large feed would monopolize the thread.
                    await Task.Yield();
                }
            }
        }
        return (cursor, vms);
    }
}
