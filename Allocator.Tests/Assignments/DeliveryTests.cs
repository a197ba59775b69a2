using System.Net;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Assignments;

public sealed class DeliveryTests(PostgresServer server)
{
    private static readonly TimeSpan AfterDeliveryTimeout = TimeSpan.FromSeconds(91);
    private static readonly TimeSpan AfterOutcomeTimeout = TimeSpan.FromSeconds(601);

    [Fact]
    public async Task Person_of_a_vm_that_falls_silent_after_the_binding_is_moved_within_the_deadline()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2");
        var asked = await deployment.AskAsync("ada@example.org", command: "--code=\"4/0A\"");
        await vms[0].PollUntilAsync(VmState.Assigned);
        var later = await deployment.AskAsync("later@example.org");

        await deployment.MoveClockAsync(AfterDeliveryTimeout);
        await Wait.UntilAsync(async () => (await deployment.FindAsync(asked.Id)).State == AssignmentState.Waiting, "the person waits again");
        Assert.Equal((1, 2), ((await deployment.FindAsync(asked.Id)).Position, (await deployment.FindAsync(later.Id)).Position));

        // The person is at the head of the queue, before later requests.
        var taken = await vms[1].PollUntilAsync(VmState.Assigned);
        Assert.Equal(asked.Id, taken.Assignment!.Id);
        Assert.Equal("4/0A", taken.Assignment.Command!.Code);
        Assert.Equal(1, (await deployment.FindAsync(later.Id)).Position);
        Assert.Equal(0, (await deployment.FindAsync(asked.Id)).Attempts);
        // The silent VM is set aside: it may have started its hook for that person, so it must clean before the next one.
        await vms[0].PollUntilAsync(VmState.Cleaning);
        Assert.Equal(HttpStatusCode.NoContent, await vms[0].ReportAsync(Outcome.Clean));
        Assert.Equal(later.Id, (await vms[0].PollUntilAsync(VmState.Assigned)).Assignment!.Id);
    }

    [Fact]
    public async Task Vm_that_has_acknowledged_keeps_its_person_past_the_delivery_deadline()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var asked = await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);
        Assert.Equal(1, vm.MaxAge);
        await vm.PollAsync();
        Assert.Equal(HttpStatusCode.NotModified, vm.Status);
        await deployment.WaitForFleetAsync("vm-1", view => view.Received);
        await vm.PollAsync();
        Assert.Equal(15, vm.MaxAge);

        await deployment.MoveClockAsync(AfterDeliveryTimeout);
        await deployment.SweepAsync();

        Assert.Equal(AssignmentState.Assigned, (await deployment.FindAsync(asked.Id)).State);
    }

    [Fact]
    public async Task Star_in_if_none_match_is_no_receipt()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);
        vm.ETag = "*";
        await vm.PollAsync();
        Assert.Equal(HttpStatusCode.NotModified, vm.Status);
        vm.ETag = null;

        await deployment.MoveClockAsync(AfterDeliveryTimeout);

        await Wait.UntilAsync(async () => (await deployment.FindVmAsync("vm-1")).State == VmState.Cleaning, "the person was taken from it");
    }

    [Fact]
    public async Task Vm_that_acknowledges_but_never_reports_an_outcome_loses_the_person_too()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Delivery:MaxAttempts"] = "2" });
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2");
        var asked = await deployment.AskAsync("ada@example.org");
        foreach (var vm in vms)
        {
            await vm.PollUntilAsync(VmState.Assigned);
            await vm.PollAsync();
            await deployment.WaitForFleetAsync(vm.Hostname, view => view.Received);
            await deployment.MoveClockAsync(AfterOutcomeTimeout);
            await vm.PollUntilAsync(VmState.Cleaning);
        }
        var ended = await deployment.FindAsync(asked.Id);
        Assert.Equal((AssignmentState.Ended, EndReason.Failed, 2), (ended.State, ended.EndReason, ended.Attempts));
    }

    [Fact]
    public async Task Person_whose_hook_fails_returns_to_the_head_and_fails_after_three_attempts()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2", "vm-3", "vm-4");
        var asked = await deployment.AskAsync("ada@example.org", command: "--code=4/0A");
        for (var attempt = 1; attempt <= 3; attempt++)
        {
            var vm = vms[attempt - 1];
            await vm.PollUntilAsync(VmState.Assigned);
            var next = await deployment.AskAsync($"next-{attempt}@example.org");
            Assert.Equal(HttpStatusCode.NoContent, await vm.ReportAsync(Outcome.Failed, detail: "no display"));
            var broken = await deployment.FindVmAsync(vm.Hostname);
            Assert.Equal((VmStatus.Error, VmState.Cleaning, "no display", false), (broken.Status, broken.State, broken.StatusDetail, broken.Free));
            Assert.Equal(["cleaning", "error"], broken.NotFreeBecause.Select(reason => reason.Code));
            await deployment.EndAsync(next.Id);

            var now = await deployment.FindAsync(asked.Id);
            Assert.Equal(attempt, now.Attempts);
            if (attempt < 3)
            {
                Assert.Equal((AssignmentState.Waiting, 1), (now.State, now.Position));
            }
            else
            {
                Assert.Equal((AssignmentState.Ended, EndReason.Failed, "vm-3"), (now.State, now.EndReason, now.Hostname));
            }
        }
        // The VM is clean but still in error: it stays out of the pool until it reports `running` itself.
        await vms[0].PollUntilAsync(VmState.Cleaning);
        await vms[0].ReportAsync(Outcome.Clean);
        var waiting = await deployment.AskAsync("grace@example.org");
        await vms[0].PollUntilAsync(VmState.Free);
        Assert.Equal(AssignmentState.Waiting, (await deployment.FindAsync(waiting.Id)).State);
        await vms[0].ReportAsync(new VmReport(VmStatus.Running));
        Assert.Equal(waiting.Id, (await vms[0].PollUntilAsync(VmState.Assigned)).Assignment!.Id);
        Assert.Null((await deployment.FindVmAsync("vm-1")).StatusDetail);
    }

    [Fact]
    public async Task Connected_person_sees_the_connection_details_and_the_end_erases_them()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var asked = await deployment.AskAsync("ada@example.org", command: "--code=4/0A");
        var pin = (await vm.PollUntilAsync(VmState.Assigned)).Assignment!.Command!.Pin;
        Assert.Null((await deployment.FindAsync(asked.Id)).Pin);

        Assert.Equal(HttpStatusCode.NoContent, await vm.ReportAsync(Outcome.Connected, "https://vm-1.example.org/desktop"));

        var connected = await deployment.FindAsync(asked.Id);
        Assert.Equal((AssignmentState.Connected, "vm-1", "https://vm-1.example.org/desktop", pin),
            (connected.State, connected.Hostname, connected.ConnectUrl, connected.Pin));
        // A repeated report changes nothing and is no error: the first reply may have been lost.
        Assert.Equal(HttpStatusCode.NoContent, await vm.ReportAsync(Outcome.Connected));
        Assert.Equal(connected.ConnectedAt, (await deployment.FindAsync(asked.Id)).ConnectedAt);
        Assert.Equal(1, await deployment.QueryAsync<long>("select count(*) from events where action = 'connected'"));

        await deployment.EndAsync(asked.Id);
        var ended = await deployment.FindAsync(asked.Id);
        Assert.Equal((AssignmentState.Ended, EndReason.Released, null, null), (ended.State, ended.EndReason, ended.ConnectUrl, ended.Pin));
        Assert.Equal(HttpStatusCode.Conflict, await vm.ReportAsync(Outcome.Connected));
        await vm.PollUntilAsync(VmState.Cleaning);
        Assert.Equal(HttpStatusCode.NoContent, await vm.ReportAsync(Outcome.Clean));
        Assert.Equal(HttpStatusCode.Conflict, await vm.ReportAsync(Outcome.Clean));
        Assert.Equal(VmState.Free, (await vm.PollUntilAsync(VmState.Free)).State);
    }

    [Fact]
    public async Task Vm_that_fails_to_clean_is_assigned_to_nobody_until_it_succeeds()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var asked = await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);
        await vm.ReportAsync(Outcome.Connected);
        await deployment.EndAsync(asked.Id);
        await vm.PollUntilAsync(VmState.Cleaning);

        Assert.Equal(HttpStatusCode.NoContent, await vm.ReportAsync(Outcome.Failed, detail: "disk full"));

        var broken = await deployment.FindVmAsync("vm-1");
        Assert.Equal((VmStatus.Error, VmState.Cleaning, "disk full"), (broken.Status, broken.State, broken.StatusDetail));
        // A reboot alone proves nothing.
        await vm.ReportAsync(new VmReport(VmStatus.Running, BootId: "2"));
        Assert.Equal((VmState.Cleaning, false), ((await deployment.FindVmAsync("vm-1")).State, (await deployment.FindVmAsync("vm-1")).Free));
        Assert.Equal(HttpStatusCode.NoContent, await vm.ReportAsync(Outcome.Clean));
        Assert.True((await deployment.FindVmAsync("vm-1")).Free);
    }

    [Fact]
    public async Task Connected_person_keeps_a_vm_that_fails_after_a_reboot_and_the_admin_sees_it()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var asked = await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);
        await vm.ReportAsync(Outcome.Connected);

        Assert.Equal(HttpStatusCode.NoContent, await vm.ReportAsync(Outcome.Failed, detail: "no display"));

        Assert.Equal(AssignmentState.Connected, (await deployment.FindAsync(asked.Id)).State);
        Assert.Equal((VmStatus.Error, "no display"),
            ((await deployment.FindVmAsync("vm-1")).Status, (await deployment.FindVmAsync("vm-1")).StatusDetail));
    }

    [Fact]
    public async Task Two_replicas_that_sweep_at_once_move_nobody_twice()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 3, new() { ["Liveness:SweepInterval"] = "00:00:00.01" });
        var vms = await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 20).Select(i => $"vm-{i}")]);
        for (var i = 1; i <= vms.Length; i++)
        {
            await deployment.AskAsync($"person-{i}@example.org");
        }
        await Task.WhenAll(vms.Select(vm => vm.PollUntilAsync(VmState.Assigned)));

        await deployment.MoveClockAsync(AfterDeliveryTimeout);
        await Wait.UntilAsync(async () =>
            await deployment.QueryAsync<long>("select count(*) from assignments where state = 'waiting'") == 20, "all are waiting again");
        await deployment.SweepAsync();

        Assert.Equal(20,
            await deployment.QueryAsync<long>("select count(*) from events where action = 'requeued' and detail ->> 'why' = 'undelivered'"));
    }
}
