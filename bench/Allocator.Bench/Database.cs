using Allocator.Api.Data;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Bench;

/// <summary>A private PostgreSQL with durable settings, and fleets in it.</summary>
internal sealed class Database : IAsyncDisposable
{
    private readonly string _folder;
    private readonly PrivatePostgres _postgres;

    private Database(string folder, PrivatePostgres postgres) => (_folder, _postgres) = (folder, postgres);

    public static async Task<Database> StartAsync()
    {
        var folder = Directory.CreateTempSubdirectory("allocator-bench-").FullName;
        return new Database(folder, await PrivatePostgres.StartAsync(
            folder, ["shared_preload_libraries=pg_stat_statements", "shared_buffers=512MB", "max_wal_size=4GB"]));
    }

    /// <summary>A new database with a fleet of so many free VMs.</summary>
    public async Task<string> CreateFleetAsync(int vms)
    {
        var name = $"fleet_{vms}";
        await _postgres.CreateDatabaseAsync(name);
        var connectionString = _postgres.ConnectionStringTo(name);
        await using var database = NpgsqlDataSource.Create(connectionString + ";Pooling=false;Command Timeout=600");
        await new Migrator(database, Options.Create(new DatabaseOptions()), NullLogger<Migrator>.Instance).MigrateAsync(default);
        await database.Command("create extension pg_stat_statements").ExecuteAsync(default);
        await database.Command(
            """
            insert into vms (hostname, pool, machine_id, token_hash, status)
            select 'vm-' || i, 'default', 'bench', sha256(('vm-' || i || '.' || translate(encode(sha256(('bench' || i)::bytea), 'base64'), '+/=', '-_'))::bytea), 'running'
            from generate_series(0, $1 - 1) i
            """, vms).ExecuteAsync(default);
        await database.Command("insert into liveness (hostname, polled_at) select hostname, now() from vms").ExecuteAsync(default);
        await database.Command("vacuum analyze").ExecuteAsync(default);
        return connectionString;
    }

    /// <summary>How many statements were made so far: all, and of them those of the liveness.</summary>
    public static async Task<(long All, long Liveness)> StatementsAsync(string connectionString)
    {
        await using var database = NpgsqlDataSource.Create(connectionString + ";Pooling=false;No Reset On Close=true");
        await using var command = database.Command(
            """
            select coalesce(sum(calls), 0)::bigint, coalesce(sum(calls) filter (where query like '%update liveness%'), 0)::bigint
            from pg_stat_statements
            where dbid = (select oid from pg_database where datname = current_database()) and query not like '%pg_stat_statements%'
            """);
        await using var row = await command.ExecuteReaderAsync();
        await row.ReadAsync();
        return (row.GetInt64(0), row.GetInt64(1));
    }

    public static async Task<long> ConnectionsAsync(string connectionString)
    {
        await using var database = NpgsqlDataSource.Create(connectionString + ";Pooling=false");
        await using var command = database.Command(
            "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'allocator-api%'");
        return (long)(await command.ExecuteScalarAsync())!;
    }

    public async ValueTask DisposeAsync()
    {
        await _postgres.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
