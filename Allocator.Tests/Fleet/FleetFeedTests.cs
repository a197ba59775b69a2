using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Npgsql;
using Xunit;

namespace Allocator.Tests.Fleet;

public sealed class FleetFeedTests(PostgresServer server)
{
    [Fact]
    public async Task Transaction_that_starts_first_and_commits_last_reaches_every_replica()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 3);
        await deployment.EnrolFreeAsync("late", "vm-1", "vm-2", "vm-3", "vm-4", "vm-5");
        await using var connection = await deployment.Database.OpenConnectionAsync();
        await using var late = await connection.BeginTransactionAsync();
        await ExecuteAsync(connection, "select pg_current_xact_id()");

        // Other transactions start and commit in between, and every replica sees them.
        for (var i = 1; i <= 5; i++)
        {
            var hostname = $"vm-{i}";
            await deployment.ExecuteAsync($"update vms set hold = 'held' where hostname = '{hostname}'");
            await deployment.WaitForFleetAsync(hostname, view => view.State == VmState.Held);
        }
        await ExecuteAsync(connection, "update vms set hold = 'held' where hostname = 'late'");
        await deployment.ExecuteAsync("update vms set hold = null where hostname = 'vm-1'");
        await deployment.WaitForFleetAsync("vm-1", view => view.State == VmState.Free);
        Assert.All(deployment.Replicas, replica => Assert.Equal(VmState.Free, replica.Fleet.Find("late")!.View.State));

        await late.CommitAsync();

        await deployment.WaitForFleetAsync("late", view => view.State == VmState.Held);
    }

    [Fact]
    public async Task Older_snapshot_of_a_row_never_replaces_a_newer_one()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.EnrolFreeAsync("vm-1");
        var vm = deployment.Replica.Fleet.Find("vm-1")!;
        var older = vm.View;
        await deployment.ExecuteAsync("update vms set hold = 'held' where hostname = 'vm-1'");
        await deployment.WaitForFleetAsync("vm-1", view => view.State == VmState.Held);

        deployment.Replica.Fleet.Apply(older);

        Assert.Equal(VmState.Held, vm.View.State);
        Assert.Equal(0, deployment.Replica.Fleet.FindPool("default")!.Free);
    }

    [Fact]
    public async Task Every_replica_counts_the_free_vms_of_each_pool()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        await deployment.EnrolFreeAsync("vm-1", "vm-2", "vm-3");
        await deployment.ExecuteAsync("insert into pools (name) values ('gpu'); update vms set pool = 'gpu' where hostname = 'vm-3'");
        await Wait.UntilAsync(() => deployment.Replicas.All(replica =>
            replica.Fleet.FindPool("default")!.Free == 2 && replica.Fleet.FindPool("gpu") is { Free: 1 }), "the move is counted");

        await deployment.ExecuteAsync("update vms set status = 'error' where hostname = 'vm-1'");
        await Wait.UntilAsync(() => deployment.Replicas.All(replica => replica.Fleet.FindPool("default")!.Free == 1), "the error is counted");
    }

    [Fact]
    public async Task Rows_with_a_transaction_id_of_the_future_are_read_only_once()
    {
        var connectionString = await server.CreateDatabaseAsync();
        await using (var database = NpgsqlDataSource.Create(connectionString))
        {
            // A restored dump can contain the id of a transaction that this server has not reached yet.
            await using var insert = database.CreateCommand(
                "insert into vms (hostname, pool, machine_id, token_hash, changed_xid) values ('restored', 'default', 'm', sha256('x'), "
                    + "'999999999999')");
            await insert.ExecuteNonQueryAsync();
        }
        await using var deployment = await Deployment.StartAsync(connectionString);
        Assert.NotNull(deployment.Replica.Fleet.Find("restored"));

        await deployment.ExecuteAsync("update vms set hold = 'held' where hostname = 'restored'");
        await deployment.WaitForFleetAsync("restored", view => view.State == VmState.Held);
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
