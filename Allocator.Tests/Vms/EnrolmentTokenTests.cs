using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Vms;

public sealed class EnrolmentTokenTests(PostgresServer server)
{
    private const int Admitted = 201;

    [Fact]
    public async Task Token_admits_exactly_as_many_of_twenty_racing_machines_as_it_has_uses()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        foreach (var uses in new[] { 1, 3 })
        {
            var token = (await MakeAsync(deployment, new(Uses: uses))).Token;
            var came = await Task.WhenAll(Enumerable.Range(1, 20).Select(i =>
                EnrolAsync(deployment, token, $"vm-{uses}-{i}", replica: deployment.Replicas[i % 2])));

            Assert.Equal(uses, came.Count(one => one.Status == Admitted));
            Assert.All(came.Where(one => one.Status != Admitted), one => Assert.Equal((401, "enrolment-token-used"), one));
        }
        Assert.Equal(4, await deployment.QueryAsync<long>("select count(*) from vms"));
        Assert.Equal(4, (await deployment.EventsAsync("action=enrolment_token_used")).Count);
    }

    [Fact]
    public async Task Machine_whose_reply_was_lost_can_enrol_again_with_its_one_time_token()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var token = (await MakeAsync(deployment, new())).Token;

        var together = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => EnrolAsync(deployment, token, "vm-1", "machine-1")));
        Assert.All(together, one => Assert.Equal(Admitted, one.Status));
        Assert.Equal(Admitted, (await EnrolAsync(deployment, token, "VM-1", "machine-1")).Status);

        Assert.Equal((401, "enrolment-token-used"), await EnrolAsync(deployment, token, "vm-1", "machine-2"));
        Assert.Equal((401, "enrolment-token-used"), await EnrolAsync(deployment, token, "vm-2", "machine-1"));
        Assert.Equal(0, Assert.Single(await ListAsync(deployment)).UsesLeft);
        await deployment.MoveClockAsync(TimeSpan.FromHours(25));
        Assert.Equal((401, "enrolment-token-expired"), await EnrolAsync(deployment, token, "vm-1", "machine-1"));
    }

    [Fact]
    public async Task Failed_enrolment_consumes_no_use_of_the_token()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.EnrolAsync("vm-1");
        var token = (await MakeAsync(deployment, new())).Token;

        Assert.Equal((409, "machine-conflict"), await EnrolAsync(deployment, token, "vm-1", "another"));
        Assert.Equal((404, "unknown-pool"), await EnrolAsync(deployment, token, "vm-2", pool: "nowhere"));
        Assert.Equal((400, "invalid"), await EnrolAsync(deployment, token, "vm_2"));
        Assert.Equal(1, Assert.Single(await ListAsync(deployment)).UsesLeft);
        Assert.Equal(Admitted, (await EnrolAsync(deployment, token, "vm-2")).Status);
    }

    [Fact]
    public async Task Bound_token_admits_only_what_it_is_bound_to()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.PutPoolAsync("gpu", new PoolSettings());
        var ofVm = (await MakeAsync(deployment, new(Hostname: "VM-7"))).Token;
        var ofPool = (await MakeAsync(deployment, new(Pool: "gpu", Uses: 2))).Token;

        Assert.Equal((403, "enrolment-token-bound"), await EnrolAsync(deployment, ofVm, "vm-8"));
        Assert.Equal(Admitted, (await EnrolAsync(deployment, ofVm, "vm-7")).Status);
        Assert.Equal((403, "enrolment-token-bound"), await EnrolAsync(deployment, ofPool, "vm-8", pool: "default"));
        Assert.Equal(Admitted, (await EnrolAsync(deployment, ofPool, "vm-8")).Status);
        Assert.Equal(Admitted, (await EnrolAsync(deployment, ofPool, "vm-9", pool: "gpu")).Status);
        Assert.Equal(["gpu", "gpu"], [(await deployment.FindVmAsync("vm-8")).Pool, (await deployment.FindVmAsync("vm-9")).Pool]);
    }

    [Fact]
    public async Task List_and_events_show_who_made_and_used_a_token_but_never_the_token()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var expiresAt = new DateTime(2199, 1, 1, 12, 0, 0, DateTimeKind.Utc);
        var made = await deployment.DoAsync<NewEnrolmentTokens>("/enrolment-tokens",
            new EnrolmentTokenRequest(Uses: 2, ExpiresAt: expiresAt, Count: 3));
        Assert.Equal(3, made.Items.Select(token => token.Token).Distinct().Count());
        await EnrolAsync(deployment, made.Items[1].Token, "vm-1");

        var tokens = await ListAsync(deployment);
        Assert.Equal(made.Items.Select(token => token.Id), tokens.Select(token => token.Id));
        Assert.Equal([2, 1, 2], tokens.Select(token => token.UsesLeft));
        Assert.Equal(("vm-1", "admin:admin", expiresAt), (tokens[1].LastUsedBy, tokens[1].CreatedBy, tokens[1].ExpiresAt));
        var page = (await deployment.Admin.GetFromJsonAsync<Page<EnrolmentToken>>("/enrolment-tokens?limit=2"))!;
        Assert.Equal(tokens[2].Id,
            (await deployment.Admin.GetFromJsonAsync<Page<EnrolmentToken>>($"/enrolment-tokens?limit=2&after={page.Next}"))!.Items.Single().Id);

        await deployment.DoAsync($"DELETE /enrolment-tokens/{made.Items[1].Id}");
        Assert.Equal((404, "unknown-enrolment-token"), await deployment.RefusedAsync($"DELETE /enrolment-tokens/{made.Items[1].Id}"));
        Assert.Equal((401, "enrolment-token-wrong"), await EnrolAsync(deployment, made.Items[1].Token, "vm-1"));
        Assert.Equal(2, (await ListAsync(deployment)).Count);

        var story = (await deployment.EventsAsync("")).Where(one => one.Detail.TryGetProperty("id", out var id) && id.GetGuid() == made.Items[1].Id)
            .ToArray();
        Assert.Equal(
            [("enrolment_token_made", "admin:admin"), ("enrolment_token_used", "vm:vm-1"), ("enrolment_token_deleted", "admin:admin")],
            story.Select(one => (one.Action, one.Actor)));
        Assert.Equal("vm-1", story[1].Hostname);
        Assert.Equal(1, story[1].Detail.GetProperty("usesLeft").GetInt32());
        var secret = made.Items[0].Token["enrol_".Length..];
        Assert.Equal(0, await deployment.QueryAsync<long>(
            "select (select count(*) from enrolment_tokens t where t::text like $1) + (select count(*) from events e where e::text like $1)",
                $"%{secret}%"));
    }

    [Fact]
    public async Task Tokens_are_removed_some_time_after_they_expired()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Retention:EnrolmentTokens"] = "10.00:00:00" });
        await MakeAsync(deployment, new(ValidFor: TimeSpan.FromDays(1)));
        var lasting = await MakeAsync(deployment, new(ValidFor: TimeSpan.FromDays(300)));
        await deployment.MoveClockAsync(TimeSpan.FromDays(10));
        await deployment.SweepAsync();
        Assert.Equal(2, (await ListAsync(deployment)).Count);

        await deployment.MoveClockAsync(TimeSpan.FromDays(2));
        await Wait.UntilAsync(async () => (await ListAsync(deployment)).Count == 1, "the token is removed");
        Assert.Equal(lasting.Id, Assert.Single(await ListAsync(deployment)).Id);
    }

    [Theory]
    [InlineData(null, "enrolment-token-needed")]
    [InlineData("", "enrolment-token-needed")]
    [InlineData("x", "enrolment-token-wrong")]
    [InlineData("enrol_", "enrolment-token-wrong")]
    [InlineData("enrol_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "enrolment-token-wrong")]
    public async Task Machine_without_a_valid_token_is_refused(string? token, string type)
    {
        await using var deployment = await Deployment.StartAsync(server);
        Assert.Equal((401, type), await EnrolAsync(deployment, token, "vm-1"));
    }

    private static async Task<NewEnrolmentToken> MakeAsync(Deployment deployment, EnrolmentTokenRequest request) =>
        (await deployment.DoAsync<NewEnrolmentTokens>("/enrolment-tokens", request)).Items.Single();

    private static async Task<IReadOnlyList<EnrolmentToken>> ListAsync(Deployment deployment) =>
        (await deployment.Admin.GetFromJsonAsync<Page<EnrolmentToken>>("/enrolment-tokens"))!.Items;

    /// <returns>The status, and the last part of the problem's type.</returns>
    private static async Task<(int Status, string? Type)> EnrolAsync(
        Deployment deployment, string? token, string hostname, string? machineId = null, string? pool = null, Replica? replica = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri((replica ?? deployment.Replica).Address, "/vms"))
        {
            Content = JsonContent.Create(new EnrolmentRequest(hostname, machineId ?? "machine-" + hostname.ToLowerInvariant(), pool)),
        };
        request.Headers.TryAddWithoutValidation("Authorization", token is null ? null : $"Bearer {token}");
        using var response = await deployment.Person.SendAsync(request);
        if ((int)response.StatusCode == 401)
        {
            Assert.Equal("Bearer", Assert.Single(response.Headers.WwwAuthenticate).Scheme);
        }
        return ((int)response.StatusCode, response.IsSuccessStatusCode ? null
            : (await response.Content.ReadFromJsonAsync<JsonNode>())!["type"]!.GetValue<string>().Split(':')[^1]);
    }
}
