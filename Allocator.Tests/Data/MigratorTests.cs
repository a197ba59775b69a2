using Allocator.Api.Data;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using Xunit;

namespace Allocator.Tests.Data;

public sealed class MigratorTests(PostgresServer server)
{
    [Fact]
    public async Task Replicas_that_start_together_migrate_once()
    {
        await using var database = NpgsqlDataSource.Create(await server.CreateEmptyDatabaseAsync());

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Create(database, MigrateAt.Start).EnsureAsync(default))));

        await using var count = database.CreateCommand("select count(*) from schema_versions group by scriptname");
        Assert.Equal(1L, await count.ExecuteScalarAsync());
        await using var locks = database.CreateCommand("select count(*) from pg_locks where locktype = 'advisory'");
        Assert.Equal(0L, await locks.ExecuteScalarAsync());
    }

    [Fact]
    public async Task Replica_that_may_not_migrate_refuses_an_old_schema_and_accepts_a_new_one()
    {
        await using var database = NpgsqlDataSource.Create(await server.CreateEmptyDatabaseAsync());
        var refused = await Assert.ThrowsAsync<SchemaOutdatedException>(() => Create(database, MigrateAt.Command).EnsureAsync(default));
        Assert.Contains("Allocator.Api migrate", refused.Message, StringComparison.Ordinal);

        await Create(database, MigrateAt.Command).MigrateAsync(default);

        await Create(database, MigrateAt.Command).EnsureAsync(default);
    }

    private static Migrator Create(NpgsqlDataSource database, MigrateAt when) =>
        new(database, Options.Create(new DatabaseOptions { Migrate = when }), NullLogger<Migrator>.Instance);
}
