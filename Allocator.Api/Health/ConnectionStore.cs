using System.Text.Json;
using Allocator.Api.Data;
using Npgsql;

namespace Allocator.Api.Health;

/// <summary>A reading of the server's connections.</summary>
/// <param name="Max">The value of <c>max_connections</c>.</param>
/// <param name="Reserved">The number of connections for superusers and reserved roles only.</param>
/// <param name="Listening">The number of connections whose last statement was a LISTEN.</param>
/// <param name="Replicas">The number of distinct replica names that are connected to this database.</param>
internal sealed record ConnectionReading(
    int Max,
    int Reserved,
    int Active,
    int Listening,
    int Replicas,
    IReadOnlyDictionary<string, int> ByState,
    IReadOnlyDictionary<string, int> ByApplication);

/// <summary>Reads the connections of the whole server.</summary>
internal sealed class ConnectionStore(NpgsqlDataSource database)
{
    /// <summary>
    /// Counts client connections, which max_connections limits. Without the role pg_read_all_stats, the kind and
    /// the state of another role's connection are hidden; having a database and a user distinguishes it from the server's
    /// own processes.
    /// </summary>
    private const string Read =
        """
        with client as (
            select datname, application_name, coalesce(state, 'hidden') as state, query
            from pg_stat_activity
            where backend_type = 'client backend'
                or (backend_type is null and datid is not null and usesysid is not null)
        )
        select
            current_setting('max_connections')::int,
            current_setting('superuser_reserved_connections')::int
                -- Since PostgreSQL 16.
                + coalesce(current_setting('reserved_connections', true)::int, 0),
            (select count(*)::int from client),
            (select count(*)::int from client where query ~* '^\s*listen\M'),
            (select count(distinct application_name)::int
             from client
             where datname = current_database() and starts_with(application_name, $1)),
            (select jsonb_object_agg(state, connections) from (
                select state, count(*) as connections from client group by state) by_state)::text,
            (select jsonb_object_agg(application_name, connections) from (
                select application_name, count(*) as connections from client group by application_name) by_application)::text
        """;

    public async Task<ConnectionReading> ReadAsync(CancellationToken cancel) =>
        (await database.Command(Read, ReplicaName.Prefix).FirstAsync(ReadRow, cancel))!;

    private static ConnectionReading ReadRow(NpgsqlDataReader row) => new(
        row.GetInt32(0), row.GetInt32(1), row.GetInt32(2), row.GetInt32(3), row.GetInt32(4), ReadCounts(row, 5), ReadCounts(row, 6));

    private static Dictionary<string, int> ReadCounts(NpgsqlDataReader row, int column) =>
        JsonSerializer.Deserialize<Dictionary<string, int>>(row.GetString(column))!;
}
