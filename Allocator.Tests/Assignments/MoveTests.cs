using System.Net;
using System.Net.Http.Json;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Assignments;

public sealed class MoveTests(PostgresServer server)
{
    [Fact]
    public async Task Move_to_a_named_vm_keeps_the_assignment_and_cleans_the_old_vm()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2");
        var asked = await deployment.AskAsync("ada@example.org", command: "--code=4/0A");
        await vms[0].PollUntilAsync(VmState.Assigned);
        await vms[0].ReportAsync(Outcome.Connected, "https://vm-1.example.org/");
        var path = $"/assignments/{asked.Id}/move";

        var moved = await deployment.DoAsync<Assignment>(path, new { hostname = "VM-2", from = "vm-1" });
        Assert.Equal((asked.Id, AssignmentState.Assigned, "vm-2", asked.RequestedAt), (moved.Id, moved.State, moved.Hostname, moved.RequestedAt));
        Assert.Equal((null, null, null), (moved.ConnectUrl, moved.ConnectedAt, moved.Pin));
        // A repeated request changes nothing.
        await deployment.DoAsync(path, new { hostname = "vm-2", from = "vm-1" });
        await deployment.DoAsync(path, new { hostname = "vm-2" });
        await deployment.DoAsync(path, new { from = "vm-1" });

        Assert.Equal(asked.Id, (await vms[1].PollUntilAsync(VmState.Assigned, deployment.Replicas[1])).Assignment!.Id);
        Assert.Equal(HttpStatusCode.Conflict, await vms[0].ReportAsync(Outcome.Connected));
        await vms[0].PollUntilAsync(VmState.Cleaning);
        Assert.Equal(HttpStatusCode.NoContent, await vms[1].ReportAsync(Outcome.Connected));
        var story = Assert.Single(await deployment.EventsAsync("email=ADA@example.org&action=moved"));
        Assert.Equal(("admin:admin", "vm-2", "vm-1"),
            (story.Actor, story.Hostname, story.Detail.GetProperty("before").GetProperty("hostname").GetString()));
    }

    [Fact]
    public async Task Person_is_moved_to_any_free_vm_or_keeps_their_own()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2", "vm-3");
        var asked = await deployment.AskAsync("ada@example.org");
        await vms[0].PollUntilAsync(VmState.Assigned);
        await deployment.DoAsync("/vms/vm-2/hold");

        Assert.Equal("vm-3", (await deployment.DoAsync<Assignment>($"/assignments/{asked.Id}/move", new { })).Hostname);
        Assert.Equal((409, "no-free-vm"), await deployment.RefusedAsync($"/assignments/{asked.Id}/move", new { }));
        Assert.Equal("vm-3", (await deployment.FindAsync(asked.Id)).Hostname);
        // A VM that does not accept the person in time still loses them to the next one.
        await vms[2].PollAsync();
        Assert.Equal(asked.Id, vms[2].Answer!.Assignment!.Id);
    }

    [Fact]
    public async Task Impossible_move_is_refused_with_the_reason_and_changes_nothing()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.PutPoolAsync("gpu", new PoolSettings());
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2", "vm-3", "vm-4");
        await (await deployment.EnrolAsync("gpu-1", "gpu")).ReportAsync(new VmReport(VmStatus.Running));
        var ada = await deployment.AskAsync("ada@example.org");
        await vms[0].PollUntilAsync(VmState.Assigned);
        await deployment.AskAsync("grace@example.org");
        await vms[1].PollUntilAsync(VmState.Assigned);
        await vms[2].ReportAsync(new VmReport(VmStatus.Error));
        await deployment.DoAsync("DELETE /vms/vm-4");
        var path = $"/assignments/{ada.Id}/move";

        Assert.Equal((409, "vm-not-free"), await deployment.RefusedAsync(path, new { hostname = "vm-2" }));
        Assert.Equal((409, "vm-not-free"), await deployment.RefusedAsync(path, new { hostname = "vm-3" }));
        Assert.Equal((409, "vm-of-another-pool"), await deployment.RefusedAsync(path, new { hostname = "gpu-1" }));
        Assert.Equal((410, "vm-deleted"), await deployment.RefusedAsync(path, new { hostname = "vm-4" }));
        Assert.Equal((404, "unknown-vm"), await deployment.RefusedAsync(path, new { hostname = "vm-9" }));
        Assert.Equal((400, "invalid"), await deployment.RefusedAsync(path, new { hostname = "vm_9" }));
        Assert.Equal((404, "unknown-assignment"), await deployment.RefusedAsync($"/assignments/{Guid.NewGuid()}/move", new { }));
        Assert.Equal("vm-1", (await deployment.FindAsync(ada.Id)).Hostname);
        Assert.Equal(VmState.Assigned, (await vms[0].PollAsync())!.State);
        await deployment.EndAsync(ada.Id);
        Assert.Equal((409, "assignment-ended"), await deployment.RefusedAsync(path, new { }));
    }

    [Fact]
    public async Task Moves_that_race_leave_each_person_one_vm_and_each_vm_one_person()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vms = await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 8).Select(i => $"vm-{i}")]);
        var people = new List<Assignment>();
        foreach (var vm in vms[..4])
        {
            people.Add(await deployment.AskAsync($"{vm.Hostname}@example.org"));
            await vm.PollUntilAsync(VmState.Assigned);
        }
        await Task.WhenAll(Enumerable.Range(0, 40).Select(async i =>
        {
            using var response = await deployment.Admin.PostAsJsonAsync($"/assignments/{people[i % 4].Id}/move", i % 3 == 0
                ? new MoveRequest($"vm-{i % 8 + 1}") : new MoveRequest());
            Assert.True(response.StatusCode is HttpStatusCode.OK or HttpStatusCode.Conflict, $"{response.StatusCode}");
        }));
        Assert.Equal(4, await deployment.QueryAsync<long>(
            "select count(*) from assignments a join vms v on v.assignment_id = a.id and v.hostname = a.hostname where a.state = 'assigned'"));
        Assert.Equal(4, await deployment.QueryAsync<long>("select count(*) from vms where assignment_id is not null"));
    }

    [Fact]
    public async Task Admin_assigns_a_person_to_a_named_vm_even_a_held_one_in_a_closed_pool()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2");
        await deployment.DoAsync("/vms/vm-1/hold");
        await deployment.PutPoolAsync("default", new PoolSettings(Open: false, EmailDomains: ["school.example"]));

        using var response = await deployment.Admin.PostAsJsonAsync("/vms/vm-1/assign", new { email = "Ada@example.org", command = "--code=4/0A" });
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        var given = (await response.Content.ReadFromJsonAsync<Assignment>())!;
        Assert.Equal($"/assignments/{given.Id}", response.Headers.Location!.ToString());
        var answer = await vms[0].PollUntilAsync(VmState.Assigned);
        Assert.Equal((given.Id, "4/0A"), (answer.Assignment!.Id, answer.Assignment.Command!.Code));

        using var again = await deployment.Admin.PostAsJsonAsync("/vms/vm-1/assign", new { email = "ada@example.org" });
        Assert.Equal((HttpStatusCode.OK, given.Id), (again.StatusCode, (await again.Content.ReadFromJsonAsync<Assignment>())!.Id));
        Assert.Equal((409, "person-has-vm"), await deployment.RefusedAsync("/vms/vm-2/assign", new { email = "ada@example.org" }));
        Assert.Equal((409, "vm-not-free"), await deployment.RefusedAsync("/vms/vm-1/assign", new { email = "grace@example.org" }));
        Assert.Equal((404, "unknown-vm"), await deployment.RefusedAsync("/vms/vm-9/assign", new { email = "grace@example.org" }));
        Assert.Equal((400, "invalid"), await deployment.RefusedAsync("/vms/vm-2/assign", new { email = "grace" }));
    }

    [Fact]
    public async Task Queued_person_gets_the_vm_that_an_admin_names_and_keeps_the_assignment()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var waiting = await deployment.AskAsync("ada@example.org", command: "--code=4/0A");
        await deployment.AskAsync("grace@example.org");
        var vm = await deployment.EnrolAsync("vm-1");
        await deployment.DoAsync("/vms/vm-1/hold");
        await vm.ReportAsync(new VmReport(VmStatus.Running));

        var given = await deployment.DoAsync<Assignment>("/vms/vm-1/assign", new { email = "ada@example.org" });
        Assert.Equal((waiting.Id, AssignmentState.Assigned, "vm-1"), (given.Id, given.State, given.Hostname));
        Assert.Equal("4/0A", (await vm.PollUntilAsync(VmState.Assigned)).Assignment!.Command!.Code);
    }

    [Fact]
    public async Task Assignments_are_released_by_filter_or_id_and_a_dry_run_lists_them()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var ada = await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);
        var grace = await deployment.AskAsync("grace@example.org");
        var alan = await deployment.AskAsync("alan@school.example");

        var would = await deployment.DoAsync<Touched<TouchedAssignment>>("/assignments/release", new { text = "EXAMPLE.ORG", dryRun = true });
        Assert.Equal(
            [new TouchedAssignment(ada.Id, "ada@example.org", AssignmentState.Assigned, "vm-1"),
                new TouchedAssignment(grace.Id, "grace@example.org", AssignmentState.Waiting, null)],
            would.Items);
        Assert.Equal(AssignmentState.Waiting, (await deployment.FindAsync(grace.Id)).State);
        Assert.Equal(would.Items, (await deployment.DoAsync<Touched<TouchedAssignment>>("/assignments/release", new { text = "example.org" })).Items);
        Assert.Equal((EndReason.Released, EndReason.Cancelled),
            ((await deployment.FindAsync(ada.Id)).EndReason, (await deployment.FindAsync(grace.Id)).EndReason));
        await vm.PollUntilAsync(VmState.Cleaning);

        Assert.Equal(1,
            (await deployment.DoAsync<Touched<TouchedAssignment>>("/assignments/release", new { ids = new[] { ada.Id, alan.Id } })).Count);
        Assert.Equal(0, (await deployment.DoAsync<Touched<TouchedAssignment>>("/assignments/release", new { all = true })).Count);
        Assert.Equal((400, "invalid"), await deployment.RefusedAsync("/assignments/release", new { }));
    }
}
