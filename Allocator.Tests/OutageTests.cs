using System.Net;
using System.Net.Http.Json;
using Allocator.Contracts;
using Allocator.DevDatabase;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests;

/// <summary>The database stops and restarts, on a separate server.</summary>
public sealed class OutageTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-outage-").FullName;
    private PrivatePostgres _postgres = null!;

    public async ValueTask InitializeAsync()
    {
        _postgres = await PrivatePostgres.StartAsync(_folder);
        await PostgresServer.MigrateAsync(_postgres.ConnectionString);
    }

    [Fact]
    public async Task Known_vms_are_served_during_a_database_outage_and_everything_recovers_afterwards()
    {
        await using var deployment = await Deployment.StartAsync(_postgres.ConnectionString, replicas: 2);
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2", "vm-3");
        var before = await deployment.AskAsync("before@example.org");
        await vms[0].PollUntilAsync(VmState.Assigned);
        await vms[0].ReportAsync(Outcome.Connected);
        await deployment.WaitForQueueAsync(0);
        await Task.WhenAll(vms.SelectMany(vm => deployment.Replicas.Select(replica => vm.PollUntilAsync(_ => true, "it is answered", replica))));
        await deployment.WaitForFleetAsync("vm-1", view => view.Received);
        var acknowledged = await deployment.AskAsync("acknowledged@example.org");

        await _postgres.StopAsync();

        foreach (var replica in deployment.Replicas)
        {
            foreach (var vm in vms)
            {
                await vm.PollAsync(replica);
                Assert.Equal(HttpStatusCode.NotModified, vm.Status);
            }
            // Without its ETag a VM gets its current assignment: its person is still there.
            using var whole = await vms[0].SendAsync(HttpMethod.Get, "/assignment/vm-1", replica: replica);
            Assert.Equal(before.Id, (await whole.Content.ReadFromJsonAsync<VmAssignment>())!.Assignment!.Id);
            using var http = replica.Connect();
            Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/health/ready")).StatusCode);
        }
        var retryAfter = new HashSet<TimeSpan?>();
        for (var i = 0; i < 20; i++)
        {
            using var refused = await deployment.Person.PostAsJsonAsync("/assignments", new AssignmentRequest("new@example.org"));
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Equal("application/problem+json", refused.Content.Headers.ContentType!.MediaType);
            // The request may have been carried out before its connection was lost, so the reply does not claim otherwise.
            Assert.Contains("may have been made already", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
            retryAfter.Add(refused.Headers.RetryAfter!.Delta);
        }
        Assert.True(retryAfter.Count > 1, "Retry-After is random each time");
        Assert.All(retryAfter, wait => Assert.InRange(wait!.Value.TotalSeconds, 5, 15));
        // An unknown VM or token cannot be verified now, so the reply is neither 401 nor 404.
        var unknown = new TestVm(deployment, "vm-99", "vm-99.x");
        await unknown.PollAsync();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, unknown.Status);
        var otherToken = new TestVm(deployment, "vm-1", "vm-1.x");
        await otherToken.PollAsync();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, otherToken.Status);
        // A VM with a newer generation never gets an older answer.
        vms[2].ETag = "\"g7\"";
        await vms[2].PollAsync();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, vms[2].Status);
        vms[2].ETag = "\"g1\"";

        await _postgres.StartAsync();

        Assert.Equal(acknowledged.Id, (await vms[1].PollUntilAsync(VmState.Assigned, deployment.Replicas[1])).Assignment!.Id);
        Assert.Equal((AssignmentState.Connected, "vm-1"),
            ((await deployment.FindAsync(before.Id)).State, (await deployment.FindAsync(before.Id)).Hostname));
        var after = await Wait.ForAsync(async () =>
        {
            using var response = await deployment.Person.PostAsJsonAsync("/assignments", new AssignmentRequest("new@example.org"));
            return response.IsSuccessStatusCode ? await response.Content.ReadFromJsonAsync<Assignment>() : null;
        }, "people are served again");
        Assert.Equal(after.Id, (await vms[2].PollUntilAsync(VmState.Assigned)).Assignment!.Id);
        Assert.Equal(1, await deployment.QueryAsync<long>("select count(*) from events where action = 'assigned' and hostname = 'vm-1'"));
    }

    [Fact]
    public async Task Replica_that_starts_without_a_database_becomes_ready_when_it_appears()
    {
        await _postgres.StopAsync();
        await using var replica = new Replica(_postgres.ConnectionString, new Dictionary<string, string>());
        using var http = replica.Connect();
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/health/live")).StatusCode);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await http.GetAsync("/health/ready")).StatusCode);

        await _postgres.StartAsync();

        await replica.WaitUntilReadyAsync();
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/health/ready")).StatusCode);
    }

    [Fact]
    public async Task Fleet_is_loaded_again_when_an_older_backup_replaces_the_database()
    {
        await using var deployment = await Deployment.StartAsync(_postgres.ConnectionString);
        await deployment.EnrolFreeAsync("vm-1");
        var (data, backup) = (Path.Combine(_folder, "postgres"), Path.Combine(_folder, "backup"));
        await _postgres.StopAsync();
        await RunAsync("cp", "-a", data, backup);
        await _postgres.StartAsync();
        // The first attempts may meet connections of the server that was stopped.
        await Wait.UntilPassesAsync(() => deployment.EnrolFreeAsync("vm-2"));
        // More transactions than the replica itself can make in the backup before its feed looks again.
        await deployment.ExecuteAsync("do $$ begin for i in 1..20000 loop perform pg_current_xact_id(); commit; end loop; end $$");
        // Changes that only the feed can bring: the second one comes with a cursor that is behind all those transactions.
        await deployment.ExecuteAsync("update vms set hold = 'held' where hostname = 'vm-2'");
        await deployment.WaitForFleetAsync("vm-2", vm => vm.State == VmState.Held);
        await deployment.ExecuteAsync("update vms set hold = null where hostname = 'vm-2'");
        await deployment.WaitForFleetAsync("vm-2", vm => vm.State == VmState.Free);

        await _postgres.StopAsync();
        await RunAsync("rm", "-rf", data);
        await RunAsync("mv", "-T", backup, data);
        await _postgres.StartAsync();

        await Wait.UntilAsync(() => deployment.Replica.Fleet.Count == 1, "the fleet is that of the backup");
        Assert.NotNull(deployment.Replica.Fleet.Find("vm-1"));
        Assert.Null(deployment.Replica.Fleet.Find("vm-2"));
        // The feed continues from the backup's own transactions.
        await Wait.UntilPassesAsync(() => deployment.ExecuteAsync("update vms set hold = 'held' where hostname = 'vm-1'"));
        await deployment.WaitForFleetAsync("vm-1", vm => vm.State == VmState.Held);

        static async Task RunAsync(string program, params string[] arguments)
        {
            await using var process = Executable.Start($"/bin/{program}", arguments, new Dictionary<string, string?>());
            Assert.True(await process.WaitForExitAsync() == 0, process.Output);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _postgres.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
