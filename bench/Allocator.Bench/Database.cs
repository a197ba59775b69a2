using System.Diagnostics;
using Allocator.Api.Data;
using Allocator.DevDatabase;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Bench;

/// <summary>A private PostgreSQL with durable settings, and its fleets.</summary>
internal sealed class Database : IAsyncDisposable
{
    private readonly string _folder;
    private readonly PrivatePostgres _postgres;
    private readonly Dictionary<int, Task<string>> _fleets = [];

    private Database(string folder, PrivatePostgres postgres, ProcessUsage usage) => (_folder, _postgres, Usage) = (folder, postgres, usage);

    /// <summary>Gets the usage of all the server's processes.</summary>
    public ProcessUsage Usage { get; }

    /// <param name="settings">Additional settings of the server, as <c>name=value</c>.</param>
    public static async Task<Database> StartAsync(params string[] settings)
    {
        var folder = Directory.CreateTempSubdirectory("allocator-bench-").FullName;
        var postgres = await PrivatePostgres.StartAsync(
            folder, ["shared_preload_libraries=pg_stat_statements", "shared_buffers=512MB", "max_wal_size=4GB", .. settings]);
        await using var server = NpgsqlDataSource.Create(postgres.ConnectionStringTo("postgres"));
        await using var backend = server.Command("select pg_backend_pid()");
        return new Database(folder, postgres, ProcessUsage.OfTree(ProcessUsage.ParentOf((int)(await backend.ExecuteScalarAsync())!)));
    }

    /// <summary>Creates an empty database.</summary>
    public async Task<string> CreateAsync(string name)
    {
        await _postgres.CreateDatabaseAsync(name);
        return _postgres.ConnectionStringTo(name);
    }

    /// <summary>Returns a database with a fleet of free VMs; it is created on first use.</summary>
    public Task<string> CreateFleetAsync(int vms)
    {
        if (!_fleets.TryGetValue(vms, out var fleet))
        {
            _fleets[vms] = fleet = EnrolAsync();
        }
        return fleet;

        async Task<string> EnrolAsync()
        {
            var started = Stopwatch.GetTimestamp();
            var connectionString = await CreateAsync($"fleet_{vms}");
            await FillAsync(connectionString, database => AddVmsAsync(database, 1, vms));
            Console.Error.WriteLine($"{vms,9:N0} VMs enrolled in {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s");
            return connectionString;
        }
    }

    /// <summary>Migrates an empty database and fills it with <paramref name="add"/>.</summary>
    public static async Task FillAsync(string connectionString, Func<NpgsqlDataSource, Task> add)
    {
        await using var database = NpgsqlDataSource.Create(connectionString + ";Pooling=false;Command Timeout=600");
        await new Migrator(database, Options.Create(new DatabaseOptions()), NullLogger<Migrator>.Instance).MigrateAsync(default);
        await database.Command("create extension pg_stat_statements").ExecuteAsync(default);
        // This runs on the other core, which no measured server uses at this time.
        await using (var adding = NpgsqlDataSource.Create(connectionString + ";Maximum Pool Size=1;Command Timeout=600"))
        {
            await using var backend = adding.Command("select pg_backend_pid()");
            await Server.MoveAsync((int)(await backend.ExecuteScalarAsync())!, Server.FirstCore);
            await add(adding);
            await adding.Command("vacuum analyze").ExecuteAsync(default);
        }
    }

    /// <summary>
    /// Adds the free VMs of these numbers to an existing pool, without a check of the foreign key for each row.
    /// <see cref="FleetVms"/> has their names and tokens.
    /// </summary>
    public static Task AddVmsAsync(NpgsqlDataSource database, int first, int last, string pool = "default") => database.Command(
        """
        with added as (
            insert into vms (hostname, pool, machine_id, token_hash, status)
            select 'vm-' || i, $3, 'bench',
                sha256(('vm-' || i || '.' || translate(encode(sha256(('bench' || i)::bytea), 'base64'), '+/=', '-_'))::bytea), 'running'
            from generate_series($1, $2) i, set_config('session_replication_role', 'replica', true)
            returning hostname
        )
        insert into liveness (hostname, polled_at)
        select hostname, now()
        from added
        """, first, last, pool).ExecuteAsync(default);

    /// <summary>Returns the activity in this database so far.</summary>
    public static async Task<DatabaseTotals> TotalsAsync(string connectionString)
    {
        await using var database = NpgsqlDataSource.Create(connectionString + ";Pooling=false;No Reset On Close=true");
        return (await database.Command(
            """
            select
                (select coalesce(sum(calls), 0)::bigint from statements),
                (select coalesce(sum(calls), 0)::bigint from statements where query like '%update liveness%'),
                (select coalesce(sum(rows), 0)::bigint from statements where query like '%update liveness%'),
                pg_current_wal_lsn() - '0/0',
                pg_total_relation_size('liveness'),
                (select n_dead_tup from pg_stat_user_tables where relname = 'liveness'),
                (select autovacuum_count from pg_stat_user_tables where relname = 'liveness')
            """.Insert(0,
            """
            with statements as (
                select calls, rows, query
                from pg_stat_statements
                where dbid = (select oid from pg_database where datname = current_database()) and query not like '%pg_stat_statements%'
            )

            """)).FirstAsync(row => new DatabaseTotals(
                row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), (long)row.GetDecimal(3), row.GetInt64(4), row.GetInt64(5), row.GetInt64(6)),
                    default))!;
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

/// <param name="Statements">All statements.</param>
/// <param name="LivenessStatements">The statements that wrote liveness, and their rows.</param>
/// <param name="Wal">Bytes of write-ahead log of the whole server.</param>
/// <param name="LivenessBytes">The size of the liveness table with its index.</param>
internal sealed record DatabaseTotals(
    long Statements, long LivenessStatements, long LivenessRows, long Wal, long LivenessBytes, long LivenessDeadRows, long LivenessVacuums);
