using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Allocator.Tests.Telemetry;
using Npgsql;
using Xunit;

namespace Allocator.Tests.Maintenance;

/// <summary>Background work continues even if the database refuses a part of it.</summary>
public sealed class MaintenanceTests(PostgresServer server)
{
    private const string Refuse =
        """
        create function refuse() returns trigger language plpgsql as $$
        begin
            raise exception 'refused by the test';
        end
        $$;
        """;

    [Fact]
    public async Task Failing_job_is_counted_and_stops_neither_the_other_jobs_nor_the_process()
    {
        await using var database = NpgsqlDataSource.Create(await server.CreateDatabaseAsync());
        await ExecuteAsync(
            database,
            $"""
            {Refuse}
            create trigger refuse_expiry before update on assignments
                for each row when (new.end_reason = 'expired') execute function refuse();
            insert into assignments (id, pool, email, email_key, expires_at)
                values (gen_random_uuid(), 'default', 'ada@example.org', 'ada@example.org', now() - interval '1 minute');
            insert into vms (hostname, pool, machine_id, token_hash, hold) values ('vm-1', 'default', 'machine-1', sha256('x'), 'draining');
            insert into liveness (hostname, polled_at) values ('vm-1', now());
            """);
        await using var api = await ApiProcess.StartAsync(database.ConnectionString, new() { ["Liveness__SweepInterval"] = "00:00:00.1" });

        // This job runs after the one that fails.
        await Wait.UntilAsync(async () => await IsAsync(database, "select hold = 'retired' from vms"), "the drained VM is retired");
        var scrape = await Wait.ForAsync(
            async () => await Scrape.OfAsync(api.Http) is var read && Failures(read, "expire") >= 2 ? read : null, "the job has failed twice");
        Assert.Equal(0, Failures(scrape, "retire_drained"));
        Assert.True(scrape.Value("allocator_maintenance_duration_seconds_count", "maintenance_job=\"expire\"", "result=\"failed\"") >= 2);
        Assert.True(scrape.Value("allocator_maintenance_duration_seconds_count", "maintenance_job=\"mark_lost\"", "result=\"succeeded\"") >= 1);
        // A lasting error is logged once.
        Assert.Single(api.Output.Split("Maintenance job expire failed")[1..]);
        Assert.Contains("refused by the test", api.Output, StringComparison.Ordinal);

        await ExecuteAsync(database, "drop trigger refuse_expiry on assignments");
        await Wait.UntilAsync(async () => await IsAsync(database, "select end_reason = 'expired' from assignments"), "the assignment has expired");
        await Wait.UntilAsync(
            () => api.Output.Contains("Maintenance job expire succeeded again", StringComparison.Ordinal), "the recovery is logged");
        (await api.Http.GetAsync("/health/ready")).EnsureSuccessStatusCode().Dispose();
    }

    [Fact]
    public async Task Receipts_that_cannot_be_written_are_written_later_and_stop_nothing_else()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        await deployment.AskAsync("ada@example.org");
        await deployment.ExecuteAsync(
            $"""
            {Refuse}
            create trigger refuse_receipts before update on assignments
                for each row when (new.received_at is distinct from old.received_at) execute function refuse();
            """);
        await vm.PollUntilAsync(VmState.Assigned);
        await vm.PollAsync();

        for (var i = 0; i < 2; i++)
        {
            var polledAt = (await deployment.FindVmAsync("vm-1")).PolledAt;
            await Wait.UntilAsync(async () =>
            {
                await vm.PollAsync();
                return (await deployment.FindVmAsync("vm-1")).PolledAt > polledAt;
            }, "the poll is written");
        }
        Assert.Empty(await deployment.EventsAsync("action=received"));

        await deployment.ExecuteAsync("drop trigger refuse_receipts on assignments");
        await deployment.WaitForFleetAsync("vm-1", view => view.Received);
        Assert.Single(await deployment.EventsAsync("action=received"));
    }

    private static double Failures(Scrape scrape, string job) => scrape.Value("allocator_maintenance_failures_total", $"maintenance_job=\"{job}\"");

    private static async Task ExecuteAsync(NpgsqlDataSource database, string sql)
    {
        await using var command = database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<bool> IsAsync(NpgsqlDataSource database, string sql)
    {
        await using var command = database.CreateCommand(sql);
        return await command.ExecuteScalarAsync() is true;
    }
}
