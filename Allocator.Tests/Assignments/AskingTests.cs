using System.Net;
using System.Net.Http.Json;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Assignments;

public sealed class AskingTests(PostgresServer server)
{
    [Fact]
    public async Task Person_who_asks_twenty_times_at_once_gets_one_assignment()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 3);
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2", "vm-3");

        var replies = await Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
        {
            using var http = deployment.Replicas[i % 3].Connect();
            // The address is compared without regard to case.
            var email = i % 2 == 0 ? "Ada@Example.org" : " ada@example.ORG";
            using var response = await http.PostAsJsonAsync("/assignments", new AssignmentRequest(email));
            var assignment = await response.Content.ReadFromJsonAsync<Assignment>();
            Assert.Equal($"/assignments/{assignment!.Id}", response.Headers.Location!.ToString());
            return (response.StatusCode, assignment.Id);
        }));

        Assert.Single(replies.Select(reply => reply.Id).Distinct());
        Assert.Single(replies, reply => reply.StatusCode == HttpStatusCode.Accepted);
        Assert.Equal(19, replies.Count(reply => reply.StatusCode == HttpStatusCode.OK));
        await vms[0].PollUntilAsync(VmState.Assigned);
        await vms[1].PollAsync();
        Assert.Equal(VmState.Free, vms[1].Answer!.State);
    }

    [Fact]
    public async Task Person_can_ask_again_after_the_end_and_gets_a_new_assignment()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var first = await deployment.AskAsync("ada@example.org");
        await deployment.EndAsync(first.Id);
        Assert.Equal(EndReason.Cancelled, (await deployment.FindAsync(first.Id)).EndReason);
        await deployment.EndAsync(first.Id);

        var second = await deployment.AskAsync("ada@example.org");

        Assert.NotEqual(first.Id, second.Id);
        Assert.Equal(AssignmentState.Waiting, second.State);
    }

    [Fact]
    public async Task Request_repeated_with_another_command_while_waiting_replaces_the_command()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.AskAsync("ada@example.org", command: "--code=4/OLD");
        await deployment.AskAsync("ada@example.org", command: "--code=4/NEW");
        await deployment.AskAsync("ada@example.org");
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        Assert.Equal("4/NEW", (await vm.PollUntilAsync(VmState.Assigned)).Assignment!.Command!.Code);

        await deployment.AskAsync("ada@example.org", command: "--code=4/LATE");
        await vm.PollAsync();
        Assert.Equal("4/NEW", vm.Answer!.Assignment!.Command!.Code);
    }

    [Fact]
    public async Task Guarded_pool_needs_its_code_and_a_closed_pool_still_shows_an_existing_assignment()
    {
        await using var deployment = await Deployment.StartAsync(server);
        (await deployment.Admin.PutAsJsonAsync("/pools/guarded", new PoolSettings(AccessCode: "sesame"))).EnsureSuccessStatusCode();
        var request = new AssignmentRequest("ada@example.org", "guarded", "sesame");
        using var asked = await deployment.Person.PostAsJsonAsync("/assignments", request);
        Assert.Equal(HttpStatusCode.Accepted, asked.StatusCode);

        (await deployment.Admin.PutAsJsonAsync("/pools/guarded", new PoolSettings(Open: false, AccessCode: "sesame"))).EnsureSuccessStatusCode();
        using var again = await deployment.Person.PostAsJsonAsync("/assignments", request);
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
        using var other = await deployment.Person.PostAsJsonAsync("/assignments", request with { Email = "grace@example.org" });
        Assert.Equal(HttpStatusCode.Conflict, other.StatusCode);
        using var withoutCode = await deployment.Person.PostAsJsonAsync("/assignments", request with { AccessCode = null });
        Assert.Equal(HttpStatusCode.Forbidden, withoutCode.StatusCode);
    }

    [Fact]
    public async Task Assignment_etag_changes_with_queue_position()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var first = await deployment.AskAsync("first@example.org");
        var second = await deployment.AskAsync("second@example.org");
        using var before = await deployment.Person.GetAsync($"/assignments/{second.Id}");
        using var request =
            new HttpRequestMessage(HttpMethod.Get, $"/assignments/{second.Id}") { Headers = { IfNoneMatch = { before.Headers.ETag! } } };
        using var unchanged = await deployment.Person.SendAsync(request);
        Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);

        await deployment.EndAsync(first.Id);

        using var again =
            new HttpRequestMessage(HttpMethod.Get, $"/assignments/{second.Id}") { Headers = { IfNoneMatch = { before.Headers.ETag! } } };
        using var after = await deployment.Person.SendAsync(again);
        Assert.Equal(1, (await after.Content.ReadFromJsonAsync<Assignment>())!.Position);
    }

    [Fact]
    public async Task Nulls_are_written_and_times_are_utc()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var asked = await deployment.AskAsync("ada@example.org");
        var json = await deployment.Person.GetStringAsync($"/assignments/{asked.Id}");
        Assert.Matches(
            $$"""^\{"id":"{{asked.Id}}","pool":"default","email":"ada@example.org","state":"waiting","position":1"""
                + ""","hostname":null,"connectUrl":null,"pin":null,"attempts":0,"requestedAt":"[0-9T:.-]+Z","assignedAt":null,"connectedAt":null"""
                + ""","expiresAt":null,"endedAt":null,"endReason":null,"warnAt":null,"estimatedWaitSeconds":null\}$""",
            json);
    }
}
