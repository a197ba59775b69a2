using System.Text.Json;
using System.Text.Json.Nodes;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Client.Admin.Rehearsal;

/// <summary>Runs <c>allocator rehearse</c> as a process against the real API; a proxy between them injects faults.</summary>
public sealed class RehearsalTests(PostgresServer server)
{
    private static readonly Dictionary<string, string> FastPolls = new() { ["Polls:MaxAge"] = "00:00:01", ["Polls:RushMaxAge"] = "00:00:01" };

    [Fact]
    public async Task Successful_rehearsal_passes_and_leaves_nothing_behind()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2, FastPolls);
        using var admin = Operator(deployment);
        await deployment.EnrolFreeAsync("vm-1");
        var file = Path.Combine(admin.Home, "report.json");

        var ran = await admin.RunAsync($"rehearse --vms 4 --people 6 --arrive 2s --stay 2s --yes --json {file}");

        Assert.True(ran.Code == 0, ran.Output);
        Assert.Contains("PASS  Everybody got a VM: 6 people made 8 requests.", ran.Printed, StringComparison.Ordinal);
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
        // The real pool is unchanged.
        Assert.True((await deployment.FindVmAsync("vm-1")).Free);
        Assert.Equal(["pool_made", "pool_deleted"], (await deployment.EventsAsync($"pool={report["pool"]}")).Select(one => one.Action));
    }

    [Fact]
    public async Task Report_is_all_that_standard_output_has_with_a_dash()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: FastPolls);
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
        await using var deployment = await Deployment.StartAsync(server, settings: FastPolls);
        using var admin = Operator(deployment);
        await using var rehearsal = admin.Start("rehearse --vms 3 --people 3 --at-once --stay 5m --yes");
        await Wait.UntilAsync(() => deployment.QueryAsync<bool>(reached), "the rehearsal is under way");

        Assert.Equal(130, await rehearsal.StopAsync());

        Assert.Contains("Interrupted", rehearsal.Output, StringComparison.Ordinal);
        await AssertNothingLeftAsync(deployment);
    }

    [Fact]
    public async Task Rehearsal_whose_server_goes_away_cleans_up_when_it_is_back()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: FastPolls);
        await using var proxy = await FaultyProxy.StartAsync(deployment.Replica.Address);
        using var admin = Operator(deployment, proxy);
        await using var rehearsal = admin.Start("rehearse --vms 2 --people 2 --at-once --stay 5m --yes");
        await Wait.UntilAsync(
            () => deployment.QueryAsync<bool>("select count(*) = 2 from assignments where state = 'connected'"), "people are connected");
        proxy.IsDown = true;
        var stopping = rehearsal.StopAsync();
        await Wait.UntilAsync(() => rehearsal.Output.Contains("Interrupted", StringComparison.Ordinal), "the rehearsal is cleaning up");
        proxy.IsDown = false;
        Assert.Equal(130, await stopping);
        await AssertNothingLeftAsync(deployment);
    }

    [Fact]
    public async Task Next_rehearsal_deletes_what_a_killed_one_left_once_its_lease_is_over()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: FastPolls);
        using var admin = Operator(deployment);
        await using var killed = admin.Start("rehearse --vms 3 --people 3 --at-once --stay 5m --yes");
        await Wait.UntilAsync(
            () => deployment.QueryAsync<bool>("select count(*) >= 2 from assignments where state = 'connected'"), "the rehearsal is under way");
        await killed.KillAsync();

        var early = await admin.RunAsync("rehearse --clean-up");
        Assert.Equal(0, early.Code);
        Assert.Contains("is running, or ended less than 2 minutes ago: not deleted.", early.Printed, StringComparison.Ordinal);
        Assert.Equal(3, await deployment.QueryAsync<long>("select count(*) from vms"));
        // The killed rehearsal no longer renews its lease, so this is the state two minutes later.
        await deployment.ExecuteAsync("update pools set closes_at = clock() - interval '1 second' where rehearsal");
        var next = await admin.RunAsync("rehearse --vms 1 --people 1 --at-once --stay 1s --yes");

        Assert.True(next.Code == 0, next.Output);
        Assert.Contains("of an earlier rehearsal, with 3 VMs.", next.Printed, StringComparison.Ordinal);
        await AssertNothingLeftAsync(deployment);
    }

    [Fact]
    public async Task Real_pools_and_real_vms_are_not_touched()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: FastPolls);
        using var admin = Operator(deployment);
        await deployment.EnrolFreeAsync("vm-1");
        var refused = await admin.RunAsync("rehearse --pool default --vms 1 --people 1 --yes");
        Assert.Equal(
            (2, "Pool 'default' is not a rehearsal pool; it has 1 VM. A rehearsal creates its own pool: choose another name."),
            (refused.Code, refused.Output));

        // A rehearsal pool that a real VM has joined is not deleted.
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
    [InlineData("rehearse", 2, "pass --yes")]
    [InlineData("rehearse --vms 0 --yes", 2, "--vms must be a number from 1 to 100,000.")]
    [InlineData("rehearse --arrive soon --yes", 2, "--arrive must be a time span, such as 02:00:00, 90s, 15m or 2h, not 'soon'.")]
    [InlineData("rehearse --json /nowhere/report.json --yes", 2, "the folder /nowhere does not exist")]
    [InlineData("rehearse --pool Mine --yes", 1, "pool: Must be a pool's name")]
    public async Task Wrong_usage_is_reported_before_anything_is_created(string command, int code, string message)
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var admin = Operator(deployment);
        var ran = await admin.RunAsync(command);
        Assert.Equal(code, ran.Code);
        Assert.Contains(message, ran.Output, StringComparison.Ordinal);
        await AssertNothingLeftAsync(deployment);
    }

    [Fact]
    public async Task Person_with_two_vms_is_detected()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: FastPolls);
        await using var proxy = await FaultyProxy.StartAsync(deployment.Replica.Address);
        var guard = new Lock();
        VmAssignment? first = null;
        string? second = null;
        var free = new HashSet<string>();
        proxy.Alter = exchange =>
        {
            if (Answer(exchange) is { } answer)
            {
                lock (guard)
                {
                    _ = answer.State == VmState.Free ? free.Add(answer.Hostname) : free.Remove(answer.Hostname);
                    first ??= answer.State == VmState.Assigned ? answer : null;
                }
            }
        };
        proxy.Intercept = exchange =>
        {
            lock (guard)
            {
                // Chooses a free VM that is polling now; from then on its polls do not reach the API.
                second ??= first is not null && HostnameOf(exchange) is { } hostname && free.Contains(hostname) ? hostname : null;
                return second is not null && HostnameOf(exchange) == second && Reply(exchange, first! with { Hostname = second, Generation = 99 });
            }
        };

        var (ran, failed) = await RehearseAsync(deployment, proxy, "--vms 4 --people 2 --stay 4s");

        Assert.Equal(["oneVmEach"], failed.Select(Check));
        Assert.Contains("FAIL  1 person had two VMs at once.", ran.Printed, StringComparison.Ordinal);
        Assert.Contains($"{first!.Assignment!.Email} was given {first.Hostname} and {second}", ran.Printed, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Vm_with_two_people_is_detected()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: FastPolls);
        await using var proxy = await FaultyProxy.StartAsync(deployment.Replica.Address);
        var guard = new Lock();
        var people = new Dictionary<Guid, AssignedPerson>();
        AssignedPerson? has = null, gets = null;
        proxy.Alter = exchange =>
        {
            lock (guard)
            {
                if (exchange is { Method: "POST", Path: "/assignments", Status: 202 })
                {
                    var accepted = JsonSerializer.Deserialize(exchange.Reply!, WireJson.Default.Assignment)!;
                    var code = JsonNode.Parse(exchange.Body)!["command"]!.GetValue<string>().Split('"')[1];
                    people[accepted.Id] = new AssignedPerson(
                        accepted.Id, accepted.Email, new RemoteDesktopCommand(code, "000000"), accepted.RequestedAt);
                }
                else if (Answer(exchange) is { State: VmState.Assigned } answer)
                {
                    has ??= answer.Assignment;
                }
                else if (has is not null && gets is null && exchange.Status == 304 && HostnameOf(exchange) is { } hostname
                    && people.Values.FirstOrDefault(person => person.Id != has.Id) is { } other)
                {
                    gets = other;
                    Reply(exchange, new VmAssignment(hostname, 99, VmState.Assigned, gets));
                }
            }
        };

        var (ran, failed) = await RehearseAsync(deployment, proxy, "--vms 1 --people 2 --stay 6s");

        Assert.Equal(["onePersonEach"], failed.Select(Check));
        Assert.Contains("FAIL  1 VM had two people at once.", ran.Printed, StringComparison.Ordinal);
        Assert.Contains($" had {has!.Email} and {gets!.Email}", ran.Printed, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Assignment_that_never_reaches_its_vm_is_detected()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: FastPolls);
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
        Assert.Contains(
            $"{lost!.Assignment!.Email} was shown {lost.Hostname}, but {lost.Hostname} never received the assignment",
            ran.Printed, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Page_with_the_address_of_somebody_elses_desktop_is_detected()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: FastPolls);
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

    /// <returns>The output, and the checks that failed.</returns>
    private static async Task<(Ran Ran, IReadOnlyList<JsonNode> Failed)> RehearseAsync(Deployment deployment, FaultyProxy proxy, string options)
    {
        using var admin = Operator(deployment, proxy);
        var file = Path.Combine(admin.Home, "report.json");
        var ran = await admin.RunAsync($"rehearse {options} --at-once --yes --json {file}");
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
            var except = table == "events" ? " and action not in ('pool_made', 'pool_deleted')" : "";
            Assert.Equal(0, await deployment.QueryAsync<long>(
                $"select count(*) from {table} where pool <> 'default' and pool not like 'played%'{except}"));
        }
        Assert.Equal(0, await deployment.QueryAsync<long>("select count(*) from liveness where hostname not in (select hostname from vms)"));
    }

    private static string Check(JsonNode finding) => finding["check"]!.GetValue<string>();

    private static string? HostnameOf(Exchange exchange) =>
        exchange is { Method: "GET" } && exchange.Path.StartsWith("/assignment/", StringComparison.Ordinal)
            ? exchange.Path["/assignment/".Length..]
            : null;

    /// <summary>Returns the body of a poll that was answered with 200.</summary>
    private static VmAssignment? Answer(Exchange exchange) =>
        HostnameOf(exchange) is not null && exchange.Status == 200
            ? JsonSerializer.Deserialize(exchange.Reply!, WireJson.Default.VmAssignment)
            : null;

    /// <summary>Replaces the answer to a poll.</summary>
    private static bool Reply(Exchange exchange, VmAssignment answer)
    {
        exchange.ETag = $"\"g{answer.Generation}\"";
        exchange.Status = exchange.IfNoneMatch == exchange.ETag ? 304 : 200;
        exchange.Reply = JsonSerializer.Serialize(answer, WireJson.Default.VmAssignment);
        return true;
    }
}
