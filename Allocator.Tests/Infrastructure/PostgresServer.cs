using Allocator.Api.Data;
using Allocator.DevDatabase;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using Xunit;

[assembly: AssemblyFixture(typeof(PostgresServer))]

namespace Allocator.Tests.Infrastructure;

/// <summary>One private PostgreSQL for all tests; each deployment gets its own copy of a migrated database.</summary>
public sealed class PostgresServer : IAsyncLifetime
{
    private const string Template = "migrated";

    /// <summary>The server is fast rather than durable, and counts statements.</summary>
    internal static readonly string[] Settings =
        ["fsync=off", "full_page_writes=off", "shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track=all", "max_connections=300"];

    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-tests-").FullName;
    private readonly SemaphoreSlim _copying = new(1);
    private PrivatePostgres _postgres = null!;
    private int _databases;

    public async ValueTask InitializeAsync()
    {
        try
        {
            _postgres = await PrivatePostgres.StartAsync(_folder, Settings, TestContext.Current.CancellationToken);
        }
        catch (PrivatePostgresException e) when (Environment.GetEnvironmentVariable("CI") is null)
        {
            Assert.Skip(e.Message);
        }
        await _postgres.CreateDatabaseAsync(Template, TestContext.Current.CancellationToken);
        await MigrateAsync(_postgres.ConnectionStringTo(Template));
    }

    /// <summary>Creates a migrated database.</summary>
    internal async Task<string> CreateDatabaseAsync()
    {
        var name = $"test_{Interlocked.Increment(ref _databases)}";
        await using var admin = NpgsqlDataSource.Create(_postgres.ConnectionStringTo("postgres") + ";Pooling=false");
        // Only one session at a time can copy a template.
        await _copying.WaitAsync();
        try
        {
            await admin.Command($"create database {name} template {Template}").ExecuteAsync(default);
        }
        finally
        {
            _copying.Release();
        }
        return _postgres.ConnectionStringTo(name);
    }

    /// <summary>Creates an empty database.</summary>
    internal async Task<string> CreateEmptyDatabaseAsync()
    {
        var name = $"empty_{Interlocked.Increment(ref _databases)}";
        await _postgres.CreateDatabaseAsync(name);
        return _postgres.ConnectionStringTo(name);
    }

    internal static async Task MigrateAsync(string connectionString)
    {
        await using var database = NpgsqlDataSource.Create(connectionString + ";Pooling=false");
        await new Migrator(database, Options.Create(new DatabaseOptions()), NullLogger<Migrator>.Instance).MigrateAsync(default);
    }

    public async ValueTask DisposeAsync()
    {
        await _postgres.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        _copying.Dispose();
    }
}
