using Allocator.Api.Data;
using Npgsql;

namespace Allocator.Api.Fleet;

/// <summary>Reads the fleet: all of it, what changed, or one VM.</summary>
internal sealed class FleetStore(NpgsqlDataSource database)
{
    /// <summary>
    /// All VMs changed since the cursor $1, each beside its pool; a pool without any such VM has one row of its own.
    /// One statement, hence one snapshot, gives the rows and the next cursor: its xmin. Every transaction below xmin
    /// was finished and seen; one at or above it may still be running and will be asked for again. Asking for
    /// "newer than the last one seen" instead would miss a transaction that took its number early and committed late.
    /// The upper bound leaves out rows that a restored dump brought from another server's future.
    /// </summary>
    private const string Changes =
        $"""
        select
            pg_snapshot_xmin(pg_current_snapshot()),
            pool.name,
            (select count(*)::int from assignments where pool = pool.name and state = 'waiting'),
            (select count(*)::int from assignments where pool = pool.name and requested_at > clock() - interval '1 minute'),
            {VmView.Columns}
        from pools pool
        left join (vms v left join assignments a on a.id = v.assignment_id)
            on v.pool = pool.name
            and v.changed_xid >= $1
            and v.changed_xid < pg_snapshot_xmax(pg_current_snapshot())
        """;

    private const string One =
        $"""
        select {VmView.Columns}
        from vms v
        left join assignments a on a.id = v.assignment_id
        where v.hostname = $1
        """;

    /// <summary>The whole fleet, and the cursor to go on from.</summary>
    public async Task<(VmFleet.Picture Picture, ulong Cursor)> LoadAsync(CancellationToken cancel)
    {
        var picture = new VmFleet.Picture();
        var cursor = await ReadAsync(
            0,
            (pool, waiting, requested) => picture.Pool(pool).Update(waiting, requested),
            view => picture.Apply(view),
            cancel);
        return (picture, cursor);
    }

    /// <summary>Brings the fleet up to date with what changed since <paramref name="cursor"/>; returns the next cursor.</summary>
    public Task<ulong> ReadChangesAsync(ulong cursor, VmFleet fleet, CancellationToken cancel) =>
        ReadAsync(cursor, fleet.ApplyPool, view => fleet.Apply(view), cancel);

    public Task<VmView?> FindAsync(string hostname, CancellationToken cancel) =>
        database.Command(One, hostname).FirstAsync(row => VmView.Read(row), cancel);

    private async Task<ulong> ReadAsync(ulong cursor, Action<string, int, int> applyPool, Action<VmView> applyVm, CancellationToken cancel)
    {
        await using var command = database.Command(Changes, cursor);
        if (cursor == 0)
        {
            command.CommandTimeout = 0;
        }
        await using var reader = await command.ExecuteReaderAsync(cancel);
        var next = cursor;
        var pool = "";
        while (await reader.ReadAsync(cancel))
        {
            next = reader.GetFieldValue<ulong>(0);
            var name = reader.GetString(1);
            if (name != pool)
            {
                pool = name;
                applyPool(name, reader.GetInt32(2), reader.GetInt32(3));
            }
            if (!reader.IsDBNull(4))
            {
                applyVm(VmView.Read(reader, 4));
            }
        }
        return next;
    }
}
