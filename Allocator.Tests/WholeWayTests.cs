using System.Text.Json.Nodes;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests;

/// <summary>Follows assignments from request to release, with real client processes and the sample hook.</summary>
public sealed class WholeWayTests(PostgresServer server) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-whole-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Person_gets_a_vm_connects_and_releases_it_for_the_next_person()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        await using var client = StartClient(deployment, "vm-1");
        await deployment.WaitForFleetAsync("vm-1", view => view.IsFree);
        Assert.Equal(VmStatus.Running, (await deployment.FindVmAsync("vm-1")).Status);

        var requested = await deployment.AskAsync("ada@example.org", command: "start-host --code=\"4/0A-b_C\" --name=$(hostname)");
        Assert.Equal((AssignmentState.Waiting, 1), (requested.State, requested.Position));
        var connected = await Wait.ForAsync(
            async () => await deployment.FindAsync(requested.Id) is { State: AssignmentState.Connected } now ? now : null, "the person is connected");

        Assert.Equal(("vm-1", "https://vm-1.example.org/", 0), (connected.Hostname, connected.ConnectUrl, connected.Attempts));
        var got = JsonNode.Parse(Assert.Single(HookLines("vm-1")))!;
        Assert.Equal(("assigned", "ada@example.org", "4/0A-b_C", connected.Pin), (
            got["event"]!.GetValue<string>(), got["assignment"]!["email"]!.GetValue<string>(),
            got["assignment"]!["command"]!["code"]!.GetValue<string>(), got["assignment"]!["command"]!["pin"]!.GetValue<string>()));
        await deployment.WaitForFleetAsync("vm-1", view => view.Received);

        await deployment.EndAsync(requested.Id);
        await deployment.WaitForFleetAsync("vm-1", view => view.IsFree);
        Assert.Equal("released", JsonNode.Parse(HookLines("vm-1")[1])!["event"]!.GetValue<string>());
        var ended = await deployment.FindAsync(requested.Id);
        Assert.Equal((AssignmentState.Ended, EndReason.Released), (ended.State, ended.EndReason));

        // The same VM serves the next person.
        var next = await deployment.AskAsync("grace@example.org");
        await Wait.UntilAsync(async () => (await deployment.FindAsync(next.Id)).State == AssignmentState.Connected, "the next person is connected");
        Assert.Equal(
            ["enrolled", "requested", "assigned", "connected", "released", "clean", "requested", "assigned", "connected"],
            await deployment.QueryAsync<string[]>("select array_agg(action order by id) from events where action not in ('received', 'reported')"));
        Assert.Equal(0, await client.StopAsync());
        Assert.DoesNotContain(Replica.EnrolmentToken, client.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("4/0A-b_C", client.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Killed_and_restarted_client_neither_loses_nor_repeats_its_assignment()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Polls:MaxAge"] = "00:00:01" });
        await using (var client = StartClient(deployment, "vm-1"))
        {
            await deployment.WaitForFleetAsync("vm-1", view => view.IsFree);
            var requested = await deployment.AskAsync("ada@example.org");
            await Wait.UntilAsync(
                async () => (await deployment.FindAsync(requested.Id)).State == AssignmentState.Connected, "the person is connected");
            await client.KillAsync();
        }

        await using var again = StartClient(deployment, "vm-1");
        await Wait.UntilAsync(
            async () => await deployment.QueryAsync<bool>("select received_at is not null from assignments"), "the assignment is acknowledged");
        var polls = await deployment.QueryAsync<DateTime>("select polled_at from liveness");
        await Wait.UntilAsync(async () => await deployment.QueryAsync<DateTime>("select polled_at from liveness") > polls, "the client polls");

        Assert.Single(HookLines("vm-1"));
        Assert.Equal(1, await deployment.QueryAsync<long>("select count(*) from events where action = 'enrolled'"));
        Assert.Equal(0, await deployment.QueryAsync<long>("select count(*) from events where action = 'enrolled_again'"));
    }

    [Theory]
    [InlineData("ALLOCATOR_Url", "allocator.example.org", "Url")]
    [InlineData("ALLOCATOR_Hooks__Timeout", "soon", "Hooks:Timeout")]
    [InlineData("ALLOCATOR_CaFile", "/no/such/file", "CaFile")]
    public async Task Wrong_client_setting_stops_it_and_is_named(string variable, string value, string key)
    {
        await using var client = Executable.Start("allocator", ["run"], new Dictionary<string, string?>
        {
            ["ALLOCATOR_Url"] = "http://127.0.0.1:1",
            ["ALLOCATOR_MachineId"] = "machine",
            ["ALLOCATOR_StateFolder"] = _folder,
            [variable] = value,
        });
        Assert.Equal(2, await client.WaitForExitAsync());
        Assert.Contains(key, client.Output, StringComparison.Ordinal);
        Assert.Contains(variable, client.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", client.Output, StringComparison.Ordinal);
    }

    private Executable StartClient(Deployment deployment, string hostname)
    {
        var hook = Path.Combine(AppContext.BaseDirectory, "hooks", "write-down.sh");
        return Executable.Start("allocator", ["run"], new Dictionary<string, string?>
        {
            ["ALLOCATOR_Url"] = deployment.Replica.Address.ToString(),
            ["ALLOCATOR_Hostname"] = hostname,
            ["ALLOCATOR_MachineId"] = "machine-" + hostname,
            ["ALLOCATOR_EnrolmentToken"] = Replica.EnrolmentToken,
            ["ALLOCATOR_StateFolder"] = Path.Combine(_folder, hostname),
            ["ALLOCATOR_FirstPollWithin"] = "00:00:00.1",
            ["ALLOCATOR_Hooks__Assigned__0"] = hook,
            ["ALLOCATOR_Hooks__Assigned__1"] = HookFile(hostname),
            ["ALLOCATOR_Hooks__Released__0"] = hook,
            ["ALLOCATOR_Hooks__Released__1"] = HookFile(hostname),
        });
    }

    private string[] HookLines(string hostname) => File.ReadAllLines(HookFile(hostname));

    private string HookFile(string hostname) => Path.Combine(_folder, hostname + ".jsonl");
}
