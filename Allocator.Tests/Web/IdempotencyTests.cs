using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Web;

public sealed class IdempotencyTests(PostgresServer server)
{
    [Fact]
    public async Task Every_replica_answers_a_repeated_key_as_the_first_time()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        var (status, body, location) = await AskAsync(deployment, "key-1", "ada@example.org");
        var id = JsonNode.Parse(body)!["id"]!.GetValue<Guid>();
        Assert.Equal((202, $"/assignments/{id}"), (status, location));
        await deployment.EndAsync(id);

        // Without the key it would be a new request by now.
        Assert.Equal((202, body, location), await AskAsync(deployment, "key-1", "ada@example.org", deployment.Replicas[1]));
        Assert.Equal(1, await deployment.QueryAsync<long>("select count(*) from assignments"));
        Assert.NotEqual(location, (await AskAsync(deployment, "key-2", "ada@example.org")).Location);
        // The keys of admins are separate from those of people.
        await deployment.EnrolFreeAsync("vm-1");
        using var assign = await AssignAsync(deployment, "key-1", "grace@example.org");
        using var again = await AssignAsync(deployment, "key-1", "grace@example.org");
        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.Created), (assign.StatusCode, again.StatusCode));
        Assert.Equal(await assign.Content.ReadAsStringAsync(), await again.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Key_of_another_request_is_refused_for_a_day()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await AskAsync(deployment, "key-1", "ada@example.org");
        var (status, body, _) = await AskAsync(deployment, "key-1", "grace@example.org");
        Assert.Equal((422, "urn:allocator:problem:idempotency-key-reused"), (status, JsonNode.Parse(body)!["type"]!.GetValue<string>()));
        Assert.Equal(1, await deployment.QueryAsync<long>("select count(*) from assignments"));

        await deployment.MoveClockAsync(TimeSpan.FromHours(25));
        Assert.Equal(202, (await AskAsync(deployment, "key-1", "grace@example.org")).Status);
        Assert.Equal(400, (await AskAsync(deployment, new string('k', 256), "alan@example.org")).Status);
        await deployment.MoveClockAsync(TimeSpan.FromHours(25));
        await Wait.UntilAsync(async () => await deployment.QueryAsync<long>("select count(*) from idempotency_keys") == 0, "old keys are removed");
    }

    [Fact]
    public async Task Refused_request_frees_its_idempotency_key()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.PutPoolAsync("default", new PoolSettings(Open: false));
        Assert.Equal(409, (await AskAsync(deployment, "key-1", "ada@example.org")).Status);
        await deployment.PutPoolAsync("default", new PoolSettings());
        Assert.Equal(202, (await AskAsync(deployment, "key-1", "ada@example.org")).Status);
    }

    [Fact]
    public async Task Only_one_of_many_concurrent_requests_with_one_key_is_executed()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        await deployment.EnrolFreeAsync("vm-1");
        var statuses = await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            using var response = await AssignAsync(deployment, "key-1", "ada@example.org");
            return (int)response.StatusCode;
        }));
        Assert.All(statuses, status => Assert.True(status is 201 or 409, $"{status}"));
        Assert.Contains(201, statuses);
        Assert.Single(await deployment.EventsAsync("action=assigned"));
        // A request that was refused as concurrent gets the stored reply a moment later.
        using var late = await AssignAsync(deployment, "key-1", "ada@example.org");
        Assert.Equal(HttpStatusCode.Created, late.StatusCode);
    }

    [Fact]
    public async Task Request_whose_replica_died_can_be_repeated()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await AskAsync(deployment, "key-1", "ada@example.org");
        await deployment.ExecuteAsync("update idempotency_keys set status = null, location = null, body = null");
        var (status, body, _) = await AskAsync(deployment, "key-1", "ada@example.org");
        Assert.Equal((409, "urn:allocator:problem:idempotency-key-in-use"), (status, JsonNode.Parse(body)!["type"]!.GetValue<string>()));
        await deployment.MoveClockAsync(TimeSpan.FromMinutes(2));
        Assert.Equal(200, (await AskAsync(deployment, "key-1", "ada@example.org")).Status);
    }

    [Fact]
    public async Task Extension_with_the_same_key_is_made_once_even_if_its_answer_was_lost()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Liveness:LostAfter"] = "1.00:00:00" });
        await deployment.PutPoolAsync("default", new PoolSettings(Duration: TimeSpan.FromHours(1)));
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var id = (await deployment.AskAsync("ada@example.org")).Id;
        await vm.PollUntilAsync(VmState.Assigned);
        await vm.ReportAsync(Outcome.Connected);
        var end = (await deployment.FindAsync(id)).ExpiresAt!.Value;

        var (status, body) = await ExtendAsync(deployment, id, "key-1");
        Assert.Equal((200, end.AddHours(1)), (status, JsonNode.Parse(body)!["expiresAt"]!.GetValue<DateTime>().ToUniversalTime()));
        Assert.Equal((200, body), await ExtendAsync(deployment, id, "key-1"));

        // The extension was committed, but its answer was neither recorded nor received.
        await deployment.ExecuteAsync("update idempotency_keys set status = null, location = null, body = null");
        await deployment.MoveClockAsync(TimeSpan.FromMinutes(2));
        Assert.Equal(200, (await ExtendAsync(deployment, id, "key-1")).Status);
        Assert.Equal(end.AddHours(1), (await deployment.FindAsync(id)).ExpiresAt);
        Assert.Single(await deployment.EventsAsync("action=extended"));

        Assert.Equal(200, (await ExtendAsync(deployment, id, "key-2")).Status);
        Assert.Equal(end.AddHours(2), (await deployment.FindAsync(id)).ExpiresAt);
    }

    private static async Task<(int Status, string Body)> ExtendAsync(Deployment deployment, Guid id, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/assignments/{id}/extend")
        {
            Content = JsonContent.Create(new { by = "01:00:00" }),
            Headers = { { "Idempotency-Key", key } },
        };
        using var response = await deployment.Admin.SendAsync(request);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    private static async Task<(int Status, string Body, string? Location)> AskAsync(Deployment deployment, string key, string email,
        Replica? replica = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri((replica ?? deployment.Replica).Address, "/assignments"))
        {
            Content = JsonContent.Create(new AssignmentRequest(email)),
            Headers = { { "Idempotency-Key", key } },
        };
        using var response = await deployment.Person.SendAsync(request);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(), response.Headers.Location?.ToString());
    }

    private static async Task<HttpResponseMessage> AssignAsync(Deployment deployment, string key, string email)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/vms/vm-1/assign")
        {
            Content = JsonContent.Create(new VmAssignmentRequest(email)),
            Headers = { { "Idempotency-Key", key } },
        };
        return await deployment.Admin.SendAsync(request);
    }
}
