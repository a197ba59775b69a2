using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Assignments;

/// <summary>The rules that decide who may join the queue, and when.</summary>
public sealed class AdmissionTests(PostgresServer server)
{
    [Fact]
    public async Task Pool_opens_and_closes_at_its_times_and_people_already_inside_stay()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var now = await deployment.QueryAsync<DateTime>("select clock()");
        await deployment.PutPoolAsync("default", new PoolSettings(OpensAt: now.AddMinutes(10), ClosesAt: now.AddMinutes(70)));
        using (var early = await AskAsync(deployment, "ada@example.org"))
        {
            var problem = (await early.Content.ReadFromJsonAsync<JsonNode>())!;
            Assert.Equal("urn:allocator:problem:pool-closed", problem["type"]!.GetValue<string>());
            Assert.Contains($"{now.AddMinutes(10):yyyy-MM-ddTHH:mm}", problem["detail"]!.GetValue<string>(), StringComparison.Ordinal);
        }
        Assert.False((await deployment.FindPoolAsync("default")).Open);

        await deployment.MoveClockAsync(TimeSpan.FromMinutes(11));
        Assert.True((await deployment.FindPoolAsync("default")).Open);
        var asked = await deployment.AskAsync("ada@example.org");
        await deployment.MoveClockAsync(TimeSpan.FromMinutes(60));
        Assert.Equal("pool-closed", await RefusedAsync(deployment, "grace@example.org"));
        using var again = await AskAsync(deployment, "ada@example.org");
        Assert.Equal((HttpStatusCode.OK, 1L), (again.StatusCode, (await deployment.FindAsync(asked.Id)).Position));
        Assert.Equal((400, "invalid"), await deployment.RefusedAsync("PUT /pools/default", new { opensAt = now, closesAt = now }));
    }

    [Fact]
    public async Task Every_replica_knows_the_rush_around_an_opening_or_set_by_an_admin()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2, new() { ["Liveness:LostAfter"] = "1.00:00:00" });
        var vms = await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 40).Select(i => $"vm-{i}")]);
        var now = await deployment.QueryAsync<DateTime>("select clock()");
        await deployment.PutPoolAsync("default", new PoolSettings(OpensAt: now.AddMinutes(10)));
        await RushAsync(false);
        await deployment.MoveClockAsync(TimeSpan.FromMinutes(9.5));
        await RushAsync(true);
        await deployment.MoveClockAsync(TimeSpan.FromMinutes(4));
        await RushAsync(true);
        await deployment.MoveClockAsync(TimeSpan.FromMinutes(2));
        await RushAsync(false);

        await deployment.PutPoolAsync("default", new PoolSettings(RushUntil: now.AddMinutes(30)));
        await RushAsync(true);
        await deployment.MoveClockAsync(TimeSpan.FromMinutes(20));
        await RushAsync(false);

        async Task RushAsync(bool expected)
        {
            await Wait.UntilAsync(() =>
                deployment.Replicas.All(replica => replica.Fleet.FindPool("default")!.InRush == expected), $"rush is {expected}");
            Assert.Equal(expected, (await deployment.FindPoolAsync("default")).InRush);
            await vms[0].PollAsync(deployment.Replicas[1]);
            Assert.Equal(expected ? 2 : 6, vms[0].MaxAge);
        }
    }

    [Fact]
    public async Task Only_addresses_of_the_allowed_domains_are_admitted()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.PutPoolAsync("default", new PoolSettings(EmailDomains: ["Example.org", "school.example"]));
        await deployment.AskAsync("ada@EXAMPLE.ORG");
        await deployment.AskAsync("ada@school.example");
        Assert.Equal("wrong-domain", await RefusedAsync(deployment, "ada@sub.example.org"));
        Assert.Equal("wrong-domain", await RefusedAsync(deployment, "ada@badexample.org"));
        Assert.Equal((400, "invalid"), await deployment.RefusedAsync("PUT /pools/default", new { emailDomains = new[] { "@example.org" } }));
        await deployment.PutPoolAsync("default", new PoolSettings());
        await deployment.AskAsync("ada@elsewhere.example");
    }

    [Fact]
    public async Task Roster_admits_those_on_it_only_until_it_is_deleted()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var before = await deployment.AskAsync("before@example.org");
        Assert.Equal(3,
            (await PutRosterAsync(
                "Name;E-Mail;email\r\n\"Lovelace, Ada\";x; Ada@Example.org \r\nG. Hopper;;grace@example.org\r\nAgain;;ADA@example.org\r\n"
                    + ";;\"=cmd@example.org\"\r\n")).People);
        Assert.Equal(3, (await deployment.FindPoolAsync("default")).Roster);
        await deployment.AskAsync("ada@example.org");
        Assert.Equal("not-on-roster", await RefusedAsync(deployment, "alan@example.org"));
        // A person who was admitted before stays.
        Assert.Equal(before.Id, (await deployment.AskAsync("before@example.org")).Id);

        var page = (await deployment.Admin.GetFromJsonAsync<Page<RosterEntry>>("/pools/default/roster?limit=2"))!;
        Assert.Equal(["=cmd@example.org", "Ada@Example.org"], page.Items.Select(person => person.Email));
        Assert.Equal(["grace@example.org"],
            (await deployment.Admin.GetFromJsonAsync<Page<RosterEntry>>($"/pools/default/roster?limit=2&after={page.Next}"))!.Items.Select(person =>
                person.Email));
        using (var csv = new HttpRequestMessage(HttpMethod.Get,
            "/pools/default/roster") { Headers = { Accept = { new MediaTypeWithQualityHeaderValue("text/csv") } } })
        {
            Assert.Equal("email\r\n\"'=cmd@example.org\"\r\nAda@Example.org\r\ngrace@example.org\r\n",
                await (await deployment.Admin.SendAsync(csv)).Content.ReadAsStringAsync());
        }

        Assert.Equal(1, (await PutRosterAsync("alan@example.org\n")).People);
        await deployment.AskAsync("alan@example.org");
        Assert.Equal("not-on-roster", await RefusedAsync(deployment, "grace@example.org"));
        await deployment.DoAsync("DELETE /pools/default/roster");
        await deployment.AskAsync("grace@example.org");
        Assert.Equal(["roster_changed", "roster_changed", "roster_removed"], (await deployment.EventsAsync("pool=default")).Select(one => one.Action)
            .Where(action => action.StartsWith("roster", StringComparison.Ordinal)));

        async Task<RosterSize> PutRosterAsync(string csv)
        {
            using var response = await deployment.Admin.PutAsync("/pools/default/roster", new StringContent(csv, Encoding.UTF8, "text/csv"));
            Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
            return (await response.Content.ReadFromJsonAsync<RosterSize>())!;
        }
    }

    [Theory]
    [InlineData("default", "", "text/csv", 400, "invalid")]
    [InlineData("default", "name,address\nAda,ada@example.org\n", "text/csv", 400, "invalid")]
    [InlineData("default", "email\nada@example.org\nnot an address\n", "text/csv", 400, "invalid")]
    [InlineData("default", "[\"ada@example.org\"]", "application/json", 415, "not-csv")]
    [InlineData("nosuch", "ada@example.org\n", "text/csv", 404, "unknown-pool")]
    public async Task Roster_that_cannot_be_read_is_refused_and_changes_nothing(string pool, string body, string contentType, int status, string type)
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var response = await deployment.Admin.PutAsync($"/pools/{pool}/roster", new StringContent(body, Encoding.UTF8, contentType));
        Assert.Equal((status, $"urn:allocator:problem:{type}"),
            ((int)response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonNode>())!["type"]!.GetValue<string>()));
        Assert.Equal(0, await deployment.QueryAsync<long>("select count(*) from roster"));
    }

    [Fact]
    public async Task Roster_of_a_whole_school_fits()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var people = string.Join('\n', Enumerable.Range(1, 20_000).Select(i => $"student-{i}@school.example"));
        using var response = await deployment.Admin.PutAsync("/pools/default/roster", new StringContent(people, Encoding.UTF8, "text/csv"));
        Assert.Equal(20_000, (await response.Content.ReadFromJsonAsync<RosterSize>())!.People);
        // The refusal comes before the body is sent; a client that sends it anyway may find the connection closed.
        using var request = new HttpRequestMessage(HttpMethod.Put, "/pools/default/roster")
        {
            Content = new StringContent(new string('x', 3_000_000), Encoding.UTF8, "text/csv"),
            Headers = { ExpectContinue = true },
        };
        using var tooLarge = await deployment.Admin.SendAsync(request);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, tooLarge.StatusCode);
    }

    [Fact]
    public async Task Cap_per_address_holds_when_a_whole_classroom_asks_at_once()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2, new() { ["Proxies:Known:0"] = "127.0.0.0/8" });
        await deployment.PutPoolAsync("default", new PoolSettings(MostPerAddress: 10));
        var statuses = await Task.WhenAll(Enumerable.Range(1, 30).Select(async i =>
        {
            using var response = await AskAsync(deployment, $"person-{i}@example.org", "203.0.113.7", deployment.Replicas[i % 2]);
            return (int)response.StatusCode;
        }));
        Assert.Equal((10, 20), (statuses.Count(status => status == 202), statuses.Count(status => status == 429)));
        Assert.Equal(10, await deployment.QueryAsync<long>("select count(*) from assignments where client_address = '203.0.113.7'"));
        // Another classroom has its own count, and a person who was admitted can repeat the request.
        using (var elsewhere = await AskAsync(deployment, "elsewhere@example.org", "203.0.113.8"))
        {
            Assert.Equal(HttpStatusCode.Accepted, elsewhere.StatusCode);
        }
        var inside = await deployment.QueryAsync<string>("select email from assignments where client_address = '203.0.113.7' limit 1");
        using (var again = await AskAsync(deployment, inside, "203.0.113.7"))
        {
            Assert.Equal(HttpStatusCode.OK, again.StatusCode);
        }
        await deployment.EndAsync((await deployment.AskAsync(inside)).Id);
        using (var next = await AskAsync(deployment, "next@example.org", "203.0.113.7"))
        {
            Assert.Equal(HttpStatusCode.Accepted, next.StatusCode);
        }
        await deployment.PutPoolAsync("default", new PoolSettings());
        using var uncapped = await AskAsync(deployment, "more@example.org", "203.0.113.7");
        Assert.Equal(HttpStatusCode.Accepted, uncapped.StatusCode);
    }

    [Theory]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::")]
    [InlineData("fe80::1%1", "fe80::2%9", "fe80::")]
    [InlineData("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.7")]
    public async Task Cap_per_address_counts_a_network_of_ipv6_once(string first, string second, string stored)
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Proxies:Known:0"] = "127.0.0.0/8" });
        await deployment.PutPoolAsync("default", new PoolSettings(MostPerAddress: 1));
        using var asked = await AskAsync(deployment, "ada@example.org", first);
        Assert.Equal(HttpStatusCode.Accepted, asked.StatusCode);
        using var refused = await AskAsync(deployment, "grace@example.org", second);
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        using var elsewhere = await AskAsync(deployment, "grace@example.org", "2001:db8:1:3::1");
        Assert.Equal(HttpStatusCode.Accepted, elsewhere.StatusCode);
        Assert.Equal(stored, await deployment.QueryAsync<string>("select host(client_address) from assignments where email = 'ada@example.org'"));
    }

    [Fact]
    public async Task Forwarded_address_from_an_unknown_proxy_is_ignored()
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var response = await AskAsync(deployment, "ada@example.org", "203.0.113.7");
        Assert.Equal("127.0.0.1", await deployment.QueryAsync<string>("select host(client_address) from assignments"));
    }

    [Fact]
    public async Task Access_code_is_never_shown_and_stays_until_it_is_replaced_or_removed()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.PutPoolAsync("default", new PoolSettings(AccessCode: "open-sesame"));
        var pool = await deployment.FindPoolAsync("default");
        Assert.Equal((true, null), (pool.NeedsAccessCode, pool.Settings.AccessCode));
        // Settings that were read can be changed and written back.
        await deployment.PutPoolAsync("default", pool.Settings with { Duration = TimeSpan.FromHours(2) });
        Assert.Equal("wrong-access-code", await RefusedAsync(deployment, "ada@example.org"));
        Assert.DoesNotContain("sesame", await deployment.Admin.GetStringAsync("/events") + await deployment.Admin.GetStringAsync("/pools"),
            StringComparison.Ordinal);
        await deployment.PutPoolAsync("default", pool.Settings with { AccessCode = "" });
        await deployment.AskAsync("ada@example.org");
        Assert.False((await deployment.FindPoolAsync("default")).NeedsAccessCode);
    }

    [Fact]
    public async Task Wait_is_estimated_from_what_is_known_and_null_otherwise()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Liveness:LostAfter"] = "1.00:00:00" });
        await deployment.PutPoolAsync("default", new PoolSettings(Duration: TimeSpan.FromHours(1)));
        Assert.Null((await deployment.AskAsync("nobody-knows@example.org")).EstimatedWaitSeconds);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var asked = await deployment.FindAsync((await deployment.AskAsync("nobody-knows@example.org")).Id);
        // One free VM that polls every one to two seconds.
        Assert.Equal(1, asked.EstimatedWaitSeconds);

        await vm.PollUntilAsync(VmState.Assigned);
        Assert.Null((await deployment.FindAsync(asked.Id)).EstimatedWaitSeconds);
        await vm.ReportAsync(Outcome.Connected);
        await deployment.WaitForFleetAsync("vm-1", view => !view.IsFree);
        var next = await deployment.AskAsync("next@example.org");
        Assert.InRange(next.EstimatedWaitSeconds!.Value, 3_500, 3_600);
        // There is no estimate beyond the VMs that are known to become free.
        Assert.Null((await deployment.AskAsync("late@example.org")).EstimatedWaitSeconds);

        await deployment.MoveClockAsync(TimeSpan.FromMinutes(30));
        Assert.InRange((await deployment.FindAsync(next.Id)).EstimatedWaitSeconds!.Value, 1_700, 1_800);
        await deployment.EndAsync(asked.Id);
        await deployment.MoveClockAsync(TimeSpan.FromSeconds(20));
        await vm.PollUntilAsync(VmState.Cleaning);
        Assert.Null((await deployment.FindAsync(next.Id)).EstimatedWaitSeconds);
        await vm.ReportAsync(Outcome.Clean);
        // From the second time on the cleaning time of the VM is known.
        await vm.PollUntilAsync(VmState.Assigned);
        await vm.ReportAsync(Outcome.Connected);
        await deployment.EndAsync(next.Id);
        await deployment.WaitForFleetAsync("vm-1", view => !view.IsFree);
        Assert.InRange((await deployment.AskAsync("late@example.org")).EstimatedWaitSeconds!.Value, 1, 40);
    }

    private static async Task<HttpResponseMessage> AskAsync(Deployment deployment, string email, string? from = null, Replica? replica = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri((replica ?? deployment.Replica).Address, "/assignments"))
        {
            Content = JsonContent.Create(new AssignmentRequest(email)),
        };
        if (from is not null)
        {
            request.Headers.Add("X-Forwarded-For", from);
        }
        return await deployment.Person.SendAsync(request);
    }

    private static async Task<string> RefusedAsync(Deployment deployment, string email)
    {
        using var response = await AskAsync(deployment, email);
        return (await response.Content.ReadFromJsonAsync<JsonNode>())!["type"]!.GetValue<string>().Split(':')[^1];
    }
}
