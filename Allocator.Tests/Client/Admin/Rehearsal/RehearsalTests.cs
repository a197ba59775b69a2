using System.Text.Json;
using System.Text.Json.Nodes;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Client.Admin.Rehearsal;

/// <summary><c>allocator rehearse</c> as a process of its own, against the real API; faults are a proxy's between them.</summary>
public sealed class RehearsalTests(PostgresServer server)
{
    private static readonly Dictionary<string, string> Brisk = new() { ["Polls:MaxAge"] = "00:00:01", ["Polls:RushMaxAge"] = "00:00:01" };

    [Fact]
    public async Task Workshop_that_goes_well_passes_and_leaves_nothing_behind()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2, Brisk);
        using var admin = Operator(deployment);
        await deployment.EnrolFreeAsync("vm-1");
        var file = Path.Combine(admin.Home, "report.json");

        var ran = await admin.RunAsync($"rehearse --vms 4 --people 6 --arrive 2s --stay 2s --yes --json {file}");

        Assert.True(ran.Code == 0, ran.Output);
        Assert.Contains("PASS  Everybody had a VM: 6 people, who asked 8 times.", ran.Printed, StringComparison.Ordinal);
        Assert.Contains("PASS  4 VMs, 6 people", ran.Printed, StringComparison.Ordinal);
        Assert.DoesNotContain("FAIL", ran.Printed, StringComparison.Ordinal);
        var report = JsonNode.Parse(await File.ReadAllTextAsync(file))!;
        Assert.True(report["passed"]!.GetValue<bool>());
        Assert.Equal((4, 6, 8), (report["vms"]!.GetValue<int>(), report["people"]!.GetValue<int>(), report["visits"]!.GetValue<int>()));
        Assert.InRange(report["pickup"]!["p95"]!.GetValue<double>(), 0.001, 60);
        Assert.InRange(report["notModifiedShare"]!.GetValue<double>(), 0.05, 0.99);
        Assert.InRange(report["connections"]!["during"]!.GetValue<int>(), 1, 300);
        Assert.Empty(report["failures"]!.AsObject());
        await AssertNothingLeftAsync(deployment);
        // Who is real has noticed nothing.
        Assert.True((await deployment.FindVmAsync("vm-1")).Free);
        Assert.Equal(["pool_made", "pool_deleted"], (await deployment.EventsAsync($"pool={report["pool"]}")).Select(one => one.Action));
    }

    [Fact]
    public async Task Report_goes_to_standard_output_alone_where_a_script_wants_it()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: Brisk);
        using var admin = Operator(deployment);
        var ran = await admin.RunAsync("rehearse --vms 1 --people 1 --at-once --stay 1s --yes --json -");
        Assert.True(ran.Code == 0, ran.Output);
        Assert.True(JsonNode.Parse(ran.Printed)!["passed"]!.GetValue<bool>());
        Assert.Contains("PASS  Nobody had two VMs.", ran.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("select count(*) >= 1 from vms")]
    [InlineData("select count(*) >= 2 from assignments where state = 'connected'")]
    public async Task Interrupted_rehearsal_leaves_nothing_behind(string reached)
    {
        await using var deployment = await Deployment.StartAsync(server, settings: Brisk);
        using var admin = Operator(deployment);
        await using var rehearsal = admin.Start("rehearse --vms 3 --people 3 --at-once --stay 5m --yes");
        await Wait.UntilAsync(() => deployment.QueryAsync<bool>(reached), "it is under way");

        Assert.Equal(130, await rehearsal.StopAsync());

        Assert.Contains("Interrupted", rehearsal.Output, StringComparison.Ordinal);
        await AssertNothingLeftAsync(deployment);
    }

    [Fact]
    public async Task Rehearsal_whose_server_goes_away_cleans_up_when_it_is_back()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: Brisk);
        await using var proxy = await FaultyProxy.StartAsync(deployment.Replica.Address);
        using var admin = Operator(deployment, proxy);
        await using var rehearsal = admin.Start("rehearse --vms 2 --people 2 --at-once --stay 5m --yes");
        await Wait.UntilAsync(() => deployment.QueryAsync<bool>("select count(*) = 2 from assignments where state = 'connected'"), "people are connected");
        proxy.IsDown = true;
        var stopping = rehearsal.StopAsync();
        await Wait.UntilAsync(() => rehearsal.Output.Contains("Interrupted", StringComparison.Ordinal), "it cleans up");
        proxy.IsDown = false;
        Assert.Equal(130, await stopping);
        await AssertNothingLeftAsync(deployment);
    }

    [Fact]
    public async Task What_a_killed_rehearsal_left_is_removed_by_the_next_but_not_while_it_may_be_alive()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: Brisk);
        using var admin = Operator(deployment);
        await using var killed = admin.Start("rehearse --vms 3 --people 3 --at-once --stay 5m --yes");
        await Wait.UntilAsync(() => deployment.QueryAsync<bool>("select count(*) >= 2 from assignments where state = 'connected'"), "it is under way");
        await killed.KillAsync();

        var early = await admin.RunAsync("rehearse --clean-up");
        Assert.Equal(0, early.Code);
        Assert.Contains("is being played, or ended less than 2 minutes ago: left alone.", early.Printed, StringComparison.Ordinal);
        Assert.Equal(3, await deployment.QueryAsync<long>("select count(*) from vms"));
        // As two minutes later: nobody renews it any more.
        await deployment.ExecuteAsync("update pools set closes_at = clock() - interval '1 second' where rehearsal");
        var next = await admin.RunAsync("rehearse --vms 1 --people 1 --at-once --stay 1s --yes");

        Assert.True(next.Code == 0, next.Output);
        Assert.Contains("Removed what an earlier rehearsal left behind", next.Printed, StringComparison.Ordinal);
        await AssertNothingLeftAsync(deployment);
    }

    [Fact]
    public async Task Real_pools_and_real_vms_are_not_touched()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: Brisk);
        using var admin = Operator(deployment);
        await deployment.EnrolFreeAsync("vm-1");
        var refused = await admin.RunAsync("rehearse --pool default --vms 1 --people 1 --yes");
        Assert.Equal((2, "Pool 'default' is a real one, with 1 VMs. A rehearsal makes a pool of its own: choose another name."), (refused.Code, refused.Output));

        // A real VM that has strayed into a rehearsal's pool keeps it from being removed.
        await deployment.PutPoolAsync("played", new PoolSettings(Rehearsal: true));
        Assert.Contains("Another rehearsal", (await admin.RunAsync("rehearse --pool played --yes")).Output, StringComparison.Ordinal);
        await deployment.EnrolAsync("vm-2", "played");
        await deployment.PutPoolAsync("played", new PoolSettings(Open: false, Rehearsal: true));
        var left = await admin.RunAsync("rehearse --clean-up");
        Assert.Equal(1, left.Code);
        Assert.Contains("vm-2 has joined it", left.Output, StringComparison.Ordinal);
        Assert.Equal("played", (await deployment.FindVmAsync("vm-2")).Pool);
    }

    [Theory]
    [InlineData("rehearse", 2, "say --yes")]
    [InlineData("rehearse --vms 0 --yes", 2, "--vms must be a number from 1 to 100,000.")]
    [InlineData("rehearse --arrive soon --yes", 2, "--arrive must be a time span, such as 02:00:00, 90s, 15m or 2h, not 'soon'.")]
    [InlineData("rehearse --json /nowhere/report.json --yes", 2, "There is no folder /nowhere")]
    [InlineData("rehearse --pool Mine --yes", 1, "pool: Must be a pool's name")]
    public async Task Wrong_usage_is_told_before_anything_is_made(string words, int code, string told)
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var admin = Operator(deployment);
        var ran = await admin.RunAsync(words);
        Assert.Equal(code, ran.Code);
        Assert.Contains(told, ran.Output, StringComparison.Ordinal);
        await AssertNothingLeftAsync(deployment);
    }

    [Fact]
    public async Task Person_who_is_given_to_two_vms_is_found()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: Brisk);
        await using var proxy = await FaultyProxy.StartAsync(deployment.Replica.Address);
        var planted = new Lock();
        VmAssignment? first = null;
        string? second = null;
        var free = new HashSet<string>();
        proxy.Alter = exchange =>
        {
            if (Answer(exchange) is { } answer)
            {
                lock (planted)
                {
                    _ = answer.State == VmState.Free ? free.Add(answer.Hostname) : free.Remove(answer.Hostname);
                    first ??= answer.State == VmState.Assigned ? answer : null;
                }
            }
        };
        proxy.Intercept = exchange =>
        {
            lock (planted)
            {
                // One that is free and asks just now; from then on the API does not hear of it.
                second ??= first is not null && HostnameOf(exchange) is { } hostname && free.Contains(hostname) ? hostname : null;
                return second is not null && HostnameOf(exchange) == second && Tell(exchange, first! with { Hostname = second, Generation = 99 });
            }
        };

        var (ran, failed) = await RehearseAsync(deployment, proxy, "--vms 4 --people 2 --stay 4s");

        Assert.Equal(["oneVmEach"], failed.Select(Check));
        Assert.Contains("FAIL  1 person had two VMs at once.", ran.Printed, StringComparison.Ordinal);
        Assert.Contains($"{first!.Assignment!.Email} was given {first.Hostname} and {second}", ran.Printed, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Vm_that_is_given_two_people_is_found()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: Brisk);
        await using var proxy = await FaultyProxy.StartAsync(deployment.Replica.Address);
        var planted = new Lock();
        var people = new Dictionary<Guid, AssignedPerson>();
        AssignedPerson? has = null, gets = null;
        proxy.Alter = exchange =>
        {
            lock (planted)
            {
                if (exchange is { Method: "POST", Path: "/assignments", Status: 202 })
                {
                    var (asked, command) = (JsonSerializer.Deserialize(exchange.Reply!, WireJson.Default.Assignment)!, JsonNode.Parse(exchange.Body)!["command"]!.GetValue<string>());
                    people[asked.Id] = new AssignedPerson(asked.Id, asked.Email, new RemoteDesktopCommand(command.Split('"')[1], "000000"), asked.RequestedAt);
                }
                else if (Answer(exchange) is { State: VmState.Assigned } answer)
                {
                    has ??= answer.Assignment;
                }
                else if (has is not null && gets is null && exchange.Status == 304 && HostnameOf(exchange) is { } hostname
                    && people.Values.FirstOrDefault(person => person.Id != has.Id) is { } other)
                {
                    gets = other;
                    Tell(exchange, new VmAssignment(hostname, 99, VmState.Assigned, gets));
                }
            }
        };

        var (ran, failed) = await RehearseAsync(deployment, proxy, "--vms 1 --people 2 --stay 6s");

        Assert.Equal(["onePersonEach"], failed.Select(Check));
        Assert.Contains("FAIL  1 VM had two people at once.", ran.Printed, StringComparison.Ordinal);
        Assert.Contains($" had {has!.Email} and {gets!.Email}", ran.Printed, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Assignment_that_its_vm_is_never_told_is_found()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: Brisk);
        await using var proxy = await FaultyProxy.StartAsync(deployment.Replica.Address);
        VmAssignment? lost = null;
        proxy.Alter = exchange =>
        {
            if (Answer(exchange) is { State: VmState.Assigned } answer && exchange.IfNoneMatch is not null
                && answer.Assignment!.Id == (Interlocked.CompareExchange(ref lost, answer, null) ?? answer).Assignment!.Id)
            {
                (exchange.Status, exchange.ETag) = (304, exchange.IfNoneMatch);
            }
        };

        var (ran, failed) = await RehearseAsync(deployment, proxy, "--vms 3 --people 2 --stay 2s --patience 6s");

        Assert.Equal(["nothingLost"], failed.Select(Check));
        Assert.Contains("FAIL  1 assignment never reached its VM.", ran.Printed, StringComparison.Ordinal);
        Assert.Contains($"{lost!.Assignment!.Email} was told to have {lost.Hostname}, which was never told", ran.Printed, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Page_that_shows_what_is_anothers_is_found()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: Brisk);
        await using var proxy = await FaultyProxy.StartAsync(deployment.Replica.Address);
        Assignment? shown = null;
        proxy.Alter = exchange =>
        {
            if (exchange is { Method: "GET", Status: 200 } && exchange.Path.StartsWith("/assignments/", StringComparison.Ordinal)
                && JsonSerializer.Deserialize(exchange.Reply!, WireJson.Default.Assignment) is { ConnectUrl: { } url } page
                && (Interlocked.CompareExchange(ref shown, page, null) ?? page).Id != page.Id)
            {
                exchange.Reply = exchange.Reply!.Replace(url, shown!.ConnectUrl, StringComparison.Ordinal);
            }
        };

        var (ran, failed) = await RehearseAsync(deployment, proxy, "--vms 2 --people 2 --stay 2s");

        Assert.Equal(["nothingOfOthers"], failed.Select(Check));
        Assert.Contains($"{shown!.ConnectUrl}", ran.Printed, StringComparison.Ordinal);
    }

    private static AdminTerminal Operator(Deployment deployment, FaultyProxy? proxy = null)
    {
        var admin = new AdminTerminal(deployment);
        if (proxy is not null)
        {
            admin.Environment["ALLOCATOR_Url"] = proxy.Address.ToString();
        }
        return admin;
    }

    /// <returns>What it printed, and the findings that failed.</returns>
    private static async Task<(Ran Ran, IReadOnlyList<JsonNode> Failed)> RehearseAsync(Deployment deployment, FaultyProxy proxy, string words)
    {
        using var admin = Operator(deployment, proxy);
        var file = Path.Combine(admin.Home, "report.json");
        var ran = await admin.RunAsync($"rehearse {words} --at-once --yes --json {file}");
        Assert.True(ran.Code == 1, ran.Output);
        await AssertNothingLeftAsync(deployment);
        var findings = JsonNode.Parse(await File.ReadAllTextAsync(file))!["findings"]!.AsArray();
        return (ran, [.. findings.OfType<JsonNode>().Where(finding => !finding["passed"]!.GetValue<bool>())]);
    }

    private static async Task AssertNothingLeftAsync(Deployment deployment)
    {
        Assert.Equal(0, await deployment.QueryAsync<long>("select count(*) from pools where rehearsal"));
        foreach (var table in new[] { "vms", "assignments", "enrolment_tokens", "events" })
        {
            Assert.Equal(0, await deployment.QueryAsync<long>($"select count(*) from {table} where pool <> 'default' and pool not like 'played%'{(table == "events" ? " and action not in ('pool_made', 'pool_deleted')" : "")}"));
        }
        Assert.Equal(0, await deployment.QueryAsync<long>("select count(*) from liveness where hostname not in (select hostname from vms)"));
    }

    private static string Check(JsonNode finding) => finding["check"]!.GetValue<string>();

    private static string? HostnameOf(Exchange exchange) =>
        exchange is { Method: "GET" } && exchange.Path.StartsWith("/assignment/", StringComparison.Ordinal) ? exchange.Path["/assignment/".Length..] : null;

    /// <summary>What a VM is told anew.</summary>
    private static VmAssignment? Answer(Exchange exchange) =>
        HostnameOf(exchange) is not null && exchange.Status == 200 ? JsonSerializer.Deserialize(exchange.Reply!, WireJson.Default.VmAssignment) : null;

    /// <summary>Answers a poll so.</summary>
    private static bool Tell(Exchange exchange, VmAssignment answer)
    {
        exchange.ETag = $"\"g{answer.Generation}\"";
        exchange.Status = exchange.IfNoneMatch == exchange.ETag ? 304 : 200;
        exchange.Reply = JsonSerializer.Serialize(answer, WireJson.Default.VmAssignment);
        return true;
    }
}
