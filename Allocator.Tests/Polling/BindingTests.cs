using System.Net;
using System.Net.Http.Json;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Npgsql;
using Xunit;

namespace Allocator.Tests.Polling;

public sealed class BindingTests(PostgresServer server)
{
    [Fact]
    public async Task Poll_of_a_free_vm_takes_the_first_in_the_queue()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var first = await deployment.AskAsync("first@example.org");
        var second = await deployment.AskAsync("second@example.org");
        Assert.Equal(1, first.Position);
        Assert.Equal(2, second.Position);
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2");

        Assert.Equal(first.Id, (await vms[0].PollUntilAsync(VmState.Assigned)).Assignment!.Id);
        Assert.Equal(1, (await deployment.FindAsync(second.Id)).Position);
        Assert.Equal(second.Id, (await vms[1].PollUntilAsync(VmState.Assigned)).Assignment!.Id);
    }

    [Fact]
    public async Task Two_hundred_people_at_once_get_two_hundred_vms_over_three_replicas()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 3);
        var vms = await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 200).Select(i => $"vm-{i}")]);

        var asking = Enumerable.Range(1, 210).Select(i => AskFromAsync(deployment, i)).ToArray();
        var polling = vms.Select((vm, i) => vm.PollUntilAsync(VmState.Assigned, deployment.Replicas[i % 3])).ToArray();
        var assignments = await Task.WhenAll(asking);
        var answers = await Task.WhenAll(polling);

        Assert.Equal(210, assignments.Select(assignment => assignment.Id).Distinct().Count());
        Assert.Equal(200, answers.Select(answer => answer.Assignment!.Id).Distinct().Count());
        // Ten people wait in the order of their requests, and get VMs as these become free.
        var waiting = new List<Assignment>();
        foreach (var assignment in assignments)
        {
            var now = await deployment.FindAsync(assignment.Id);
            if (now.State == AssignmentState.Waiting)
            {
                waiting.Add(now);
            }
        }
        Assert.Equal(Enumerable.Range(1, 10).Select(i => (long?)i), waiting.OrderBy(w => w.Position).Select(w => w.Position));
        Assert.Equal(waiting.OrderBy(w => w.RequestedAt).ThenBy(w => w.Id), waiting.OrderBy(w => w.Position));
        foreach (var next in waiting.OrderBy(w => w.Position))
        {
            var vm = vms[Random.Shared.Next(vms.Length)];
            await deployment.EndAsync(vm.Answer!.Assignment!.Id);
            await vm.PollUntilAsync(VmState.Cleaning);
            Assert.Equal(HttpStatusCode.NoContent, await vm.ReportAsync(Outcome.Clean));
            Assert.Equal(next.Id, (await vm.PollUntilAsync(VmState.Assigned)).Assignment!.Id);
        }
    }

    [Fact]
    public async Task Racing_polls_of_one_vm_never_double_a_person_or_a_vm()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 3);
        for (var round = 1; round <= 5; round++)
        {
            var vms = await deployment.EnrolFreeAsync($"vm-{round}-a", $"vm-{round}-b");
            for (var i = 1; i <= 5; i++)
            {
                await deployment.AskAsync($"person-{round}-{i}@example.org");
            }
            await deployment.WaitForQueueAsync((3 * round) + 2);

            // Concurrent polls of the same two VMs, as retries and restarts cause them.
            await Task.WhenAll(Enumerable.Range(0, 60)
                .Select(i => new TestVm(deployment, vms[i % 2].Hostname, vms[i % 2].Token).PollAsync(deployment.Replicas[i % 3])));

            Assert.Equal(2 * round, await deployment.QueryAsync<long>("select count(*) from assignments where state = 'assigned'"));
            Assert.Equal(3 * round, await deployment.QueryAsync<long>("select count(*) from assignments where state = 'waiting'"));
            Assert.Equal(
                await deployment.QueryAsync<string[]>(
                    "select array_agg(email order by requested_at) from (select * from assignments order by requested_at limit $1) first", 2 * round),
                await deployment.QueryAsync<string[]>("select array_agg(email order by requested_at) from assignments where state = 'assigned'"));
        }
    }

    [Fact]
    public async Task Claim_that_races_a_cancellation_leaves_a_consistent_state()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        for (var round = 0; round < 20; round++)
        {
            var asked = await deployment.AskAsync($"person-{round}@example.org");
            await Task.WhenAll(vm.PollAsync(), deployment.EndAsync(asked.Id));

            Assert.Equal(AssignmentState.Ended, (await deployment.FindAsync(asked.Id)).State);
            Assert.Equal(0, await deployment.QueryAsync<long>("select count(*) from vms where assignment_id is not null"));
            await deployment.WaitForQueueAsync(0);
            var now = await vm.PollUntilAsync(answer => answer.State != VmState.Assigned, "the VM is unassigned");
            if (now!.State == VmState.Cleaning)
            {
                await vm.ReportAsync(Outcome.Clean);
                await deployment.WaitForFleetAsync("vm-1", view => view.IsFree);
            }
        }
    }

    [Fact]
    public async Task Claims_are_not_made_when_nobody_waits()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);
        await deployment.WaitForQueueAsync(0);

        Assert.False(deployment.Replica.Fleet.FindPool("default")!.MayClaim);
    }

    [Fact]
    public async Task Each_pool_has_its_own_queue()
    {
        await using var deployment = await Deployment.StartAsync(server);
        (await deployment.Admin.PutAsJsonAsync("/pools/gpu", new PoolSettings())).EnsureSuccessStatusCode();
        var plain = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var gpu = await deployment.EnrolAsync("vm-2", pool: "gpu");
        await gpu.ReportAsync(new VmReport(VmStatus.Running));
        var forGpu = await deployment.AskAsync("ada@example.org", pool: "gpu");
        var forPlain = await deployment.AskAsync("ada@example.org");

        Assert.Equal(forPlain.Id, (await plain.PollUntilAsync(VmState.Assigned)).Assignment!.Id);
        Assert.Equal(forGpu.Id, (await gpu.PollUntilAsync(VmState.Assigned)).Assignment!.Id);
    }

    [Fact]
    public async Task Schema_itself_refuses_a_second_live_assignment()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);
        var grace = await deployment.AskAsync("grace@example.org");

        var twoPeople = await Assert.ThrowsAsync<PostgresException>(() => deployment.ExecuteAsync(
            $"update assignments set state = 'assigned', hostname = 'vm-1', generation = 9, assigned_at = now() where id = '{grace.Id}'"));
        Assert.Equal("one_live_assignment_per_vm", twoPeople.ConstraintName);
        var twoClaims = await Assert.ThrowsAsync<PostgresException>(() => deployment.ExecuteAsync(
            "insert into assignments (id, pool, email, email_key) values (gen_random_uuid(), 'default', 'ADA@example.org', 'ada@example.org')"));
        Assert.Equal("one_live_assignment_per_person", twoClaims.ConstraintName);
        var halfState = await Assert.ThrowsAsync<PostgresException>(() => deployment.ExecuteAsync(
            $"update assignments set state = 'assigned' where id = '{grace.Id}'"));
        Assert.Equal("columns_of_state", halfState.ConstraintName);
        var pointerToNobody = await Assert.ThrowsAsync<PostgresException>(() => deployment.ExecuteAsync(
            "update assignments set state = 'ended', ended_at = now(), end_reason = 'released', code = null, pin = null where email_key = "
                + "'ada@example.org'"));
        Assert.Equal("assignment_lives_here", pointerToNobody.ConstraintName);
        var rewritten = await Assert.ThrowsAsync<PostgresException>(() => deployment.ExecuteAsync("update events set actor = 'nobody'"));
        Assert.Contains("append-only", rewritten.MessageText, StringComparison.Ordinal);
    }

    private static async Task<Assignment> AskFromAsync(Deployment deployment, int i)
    {
        using var http = deployment.Replicas[i % 3].Connect();
        using var response = await http.PostAsJsonAsync("/assignments", new AssignmentRequest($"person-{i}@example.org"));
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        return (await response.Content.ReadFromJsonAsync<Assignment>())!;
    }
}
