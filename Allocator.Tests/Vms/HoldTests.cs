using System.Net;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Vms;

public sealed class HoldTests(PostgresServer server)
{
    [Fact]
    public async Task Held_vm_is_assigned_to_nobody_until_it_is_unheld()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2");
        await deployment.DoAsync("/vms/VM-1/hold");
        await deployment.DoAsync("/vms/vm-1/hold");
        var held = await deployment.FindVmAsync("vm-1");
        Assert.Equal((VmHold.Held, VmState.Held, false, "held"), (held.Hold, held.State, held.Free, Assert.Single(held.NotFreeBecause).Code));
        await deployment.WaitForFleetAsync("vm-1", view => !view.IsFree);

        var first = await deployment.AskAsync("first@example.org");
        await vms[0].PollUntilAsync(VmState.Held);
        Assert.Equal(first.Id, (await vms[1].PollUntilAsync(VmState.Assigned)).Assignment!.Id);
        var second = await deployment.AskAsync("second@example.org");
        await vms[0].PollAsync();
        Assert.Equal(AssignmentState.Waiting, (await deployment.FindAsync(second.Id)).State);

        await deployment.DoAsync("/vms/vm-1/unhold");
        Assert.Equal(second.Id, (await vms[0].PollUntilAsync(VmState.Assigned, deployment.Replicas[1])).Assignment!.Id);
        Assert.Equal(
            ["vm_held", "vm_unheld"],
            (await deployment.EventsAsync("hostname=vm-1&actor=admin:admin")).Select(one => one.Action));
        Assert.Equal("held", (await deployment.EventsAsync("action=vm_held"))[0].Detail.GetProperty("after").GetProperty("hold").GetString());
    }

    [Fact]
    public async Task Person_keeps_a_vm_that_is_held_and_nobody_gets_it_afterwards()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var asked = await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);
        await deployment.DoAsync("/vms/vm-1/hold");
        Assert.Equal(HttpStatusCode.NoContent, await vm.ReportAsync(Outcome.Connected));
        Assert.Equal(AssignmentState.Connected, (await deployment.FindAsync(asked.Id)).State);

        await deployment.DoAsync("/vms/vm-1/release");
        await deployment.DoAsync("/vms/vm-1/release");
        Assert.Equal(EndReason.Released, (await deployment.FindAsync(asked.Id)).EndReason);
        await vm.PollUntilAsync(VmState.Cleaning);
        Assert.Equal(["cleaning", "held"], (await deployment.FindVmAsync("vm-1")).NotFreeBecause.Select(reason => reason.Code));
        await vm.ReportAsync(Outcome.Clean);
        await vm.PollUntilAsync(VmState.Held);
        var released = Assert.Single(await deployment.EventsAsync("action=released"));
        Assert.Equal(("admin:admin", asked.Id, "vm-1"), (released.Actor, released.AssignmentId, released.Hostname));
    }

    [Fact]
    public async Task Draining_vm_keeps_its_person_and_is_retired_when_it_is_free_and_clean()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 3, new() { ["Liveness:SweepInterval"] = "00:00:00.01" });
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var asked = await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);
        await vm.ReportAsync(Outcome.Connected);
        await deployment.DoAsync("/vms/vm-1/drain");
        await deployment.SweepAsync();
        Assert.Equal((VmHold.Draining, asked.Id), ((await deployment.FindVmAsync("vm-1")).Hold, (await deployment.FindVmAsync("vm-1")).AssignmentId));

        await deployment.EndAsync(asked.Id);
        await deployment.AskAsync("grace@example.org");
        await vm.PollUntilAsync(VmState.Cleaning);
        await deployment.SweepAsync();
        Assert.Equal(VmHold.Draining, (await deployment.FindVmAsync("vm-1")).Hold);
        await vm.ReportAsync(Outcome.Clean);

        await Wait.UntilAsync(async () => (await deployment.FindVmAsync("vm-1")).Hold == VmHold.Retired, "the VM is retired");
        await deployment.SweepAsync();
        await vm.PollUntilAsync(VmState.Held);
        await deployment.DoAsync("/vms/vm-1/drain");
        Assert.Equal(VmHold.Retired, (await deployment.FindVmAsync("vm-1")).Hold);
        // The VM is retired once, although several replicas sweep.
        Assert.Single(await deployment.EventsAsync("action=vm_retired"));
        Assert.Single(await deployment.EventsAsync("action=vm_drained"));
        // A mistake can be undone.
        await deployment.DoAsync("/vms/vm-1/unhold");
        await vm.PollUntilAsync(VmState.Assigned);
    }

    [Fact]
    public async Task Every_replica_forgets_a_deleted_vm_and_explains_that_to_its_old_token()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 3);
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2");
        var asked = await deployment.AskAsync("ada@example.org");
        await vms[0].PollUntilAsync(VmState.Assigned);
        Assert.Equal((409, "vm-has-person"), await deployment.RefusedAsync("DELETE /vms/vm-1"));
        await deployment.EndAsync(asked.Id);

        await deployment.DoAsync("DELETE /vms/vm-1");
        await deployment.DoAsync("DELETE /vms/vm-1");

        await Wait.UntilAsync(() => deployment.Replicas.All(replica => replica.Fleet.Find("vm-1") is null), "every fleet has forgotten the VM");
        Assert.All(deployment.Replicas, replica => Assert.Equal((1, 1), (replica.Fleet.Count, replica.Fleet.FindPool("default")!.Free)));
        foreach (var replica in deployment.Replicas)
        {
            await vms[0].PollAsync(replica);
            Assert.Equal(HttpStatusCode.Gone, vms[0].Status);
        }
        Assert.Equal(HttpStatusCode.Gone, await vms[0].ReportAsync(Outcome.Clean));
        Assert.Equal((410, "vm-deleted"), await deployment.RefusedAsync("GET /vms/vm-1"));
        Assert.Equal((410, "vm-deleted"), await deployment.RefusedAsync("/vms/vm-1/hold"));
        Assert.Equal((404, "unknown-vm"), await deployment.RefusedAsync("DELETE /vms/vm-9"));
        // A stranger does not learn that the VM was deleted.
        var stranger = new TestVm(deployment, "vm-1", "vm-1." + new string('A', 43));
        await stranger.PollAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, stranger.Status);
        // A replica that starts later gives the same answer without ever having loaded the VM.
        var later = deployment.AddReplica(deployment.ConnectionString);
        await later.WaitUntilReadyAsync();
        await vms[0].PollAsync(later);
        Assert.Equal((HttpStatusCode.Gone, 1), (vms[0].Status, later.Fleet.Count));
        // Its history remains.
        Assert.Equal("vm-1", (await deployment.FindAsync(asked.Id)).Hostname);
        Assert.Equal(
            ["enrolled", "reported", "assigned", "released", "vm_deleted"],
            (await deployment.EventsAsync("hostname=vm-1")).Select(one => one.Action).Where(action => action != "received"));
        Assert.Equal(1, (await deployment.FindPoolAsync("default")).Vms.Total);
    }

    [Fact]
    public async Task Any_machine_can_take_the_name_of_a_deleted_vm_and_starts_from_scratch()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        var old = (await deployment.EnrolFreeAsync("vm-1"))[0];
        await deployment.DoAsync("DELETE /vms/vm-1");

        var again = await deployment.EnrolAsync("vm-1");
        Assert.Equal((VmStatus.Initializing, null, VmState.Free), await StatusAsync());
        await again.ReportAsync(new VmReport(VmStatus.Running));
        await deployment.WaitForFleetAsync("vm-1", view => view.IsFree);
        await Wait.UntilAsync(async () => (await old.PollAsync()) is not null || old.Status == HttpStatusCode.Unauthorized,
            "the old token is refused");

        await deployment.DoAsync("DELETE /vms/vm-1");
        await deployment.ExecuteAsync("update vms set machine_id = 'a-machine-that-is-scrapped'");
        var another = await deployment.EnrolAsync("vm-1");
        await another.ReportAsync(new VmReport(VmStatus.Running));
        var asked = await deployment.AskAsync("ada@example.org");
        Assert.Equal(asked.Id, (await another.PollUntilAsync(VmState.Assigned, deployment.Replicas[1])).Assignment!.Id);

        async Task<(VmStatus, VmHold?, VmState)> StatusAsync()
        {
            var vm = await deployment.FindVmAsync("vm-1");
            return (vm.Status, vm.Hold, vm.State);
        }
    }

    [Fact]
    public async Task Vms_are_held_drained_and_released_by_filter_and_a_dry_run_lists_them()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vms = await deployment.EnrolFreeAsync("lab-1", "lab-2", "lab-3", "other-1");
        var asked = await deployment.AskAsync("ada@example.org");
        await vms[0].PollUntilAsync(VmState.Assigned);

        var wouldHold = await deployment.DoAsync<Touched<TouchedVm>>("/vms/hold", new { text = "lab-", assignment = "none", dryRun = true });
        Assert.Equal((true, 2), (wouldHold.DryRun, wouldHold.Count));
        Assert.Equal(["lab-2", "lab-3"], wouldHold.Items.Select(vm => vm.Hostname));
        Assert.Equal(0, await deployment.QueryAsync<long>("select count(*) from vms where hold is not null"));
        var held = await deployment.DoAsync<Touched<TouchedVm>>("/vms/hold", new { text = "lab-", assignment = "none" });
        Assert.Equal(wouldHold.Items, held.Items);
        Assert.Equal(0, (await deployment.DoAsync<Touched<TouchedVm>>("/vms/hold", new { hold = "held" })).Count);
        Assert.Equal(2,
            (await deployment.DoAsync<Touched<TouchedVm>>("/vms/unhold", new { hostnames = new[] { "LAB-2", "lab-3", "other-1" } })).Count);

        var wouldRelease = await deployment.DoAsync<Touched<TouchedVm>>("/vms/release", new { pool = "default", dryRun = true });
        Assert.Equal([new TouchedVm("lab-1", "ada@example.org")], wouldRelease.Items);
        Assert.Equal(AssignmentState.Assigned, (await deployment.FindAsync(asked.Id)).State);
        Assert.Equal(wouldRelease.Items, (await deployment.DoAsync<Touched<TouchedVm>>("/vms/release", new { pool = "default" })).Items);
        Assert.Equal(EndReason.Released, (await deployment.FindAsync(asked.Id)).EndReason);
        Assert.Equal(4, (await deployment.DoAsync<Touched<TouchedVm>>("/vms/drain", new { all = true })).Count);

        Assert.Equal((400, "invalid"), await deployment.RefusedAsync("/vms/drain", new { dryRun = true }));
        Assert.Equal((400, "invalid"), await deployment.RefusedAsync("/vms/release", new { all = true, pool = "default" }));
        Assert.Equal((400, "invalid"), await deployment.RefusedAsync("/vms/hold", new { hostnames = new[] { "vm_1" } }));
    }

    [Fact]
    public async Task Rebooting_vm_returns_with_its_person()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var asked = await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);
        await vm.ReportAsync(Outcome.Connected, "https://vm-1.example.org/");
        await vm.ReportAsync(new VmReport(VmStatus.Rebooting));
        Assert.Equal(["assigned", "rebooting"], (await deployment.FindVmAsync("vm-1")).NotFreeBecause.Select(reason => reason.Code));

        await vm.ReportAsync(new VmReport(VmStatus.Running, BootId: "boot-2"));
        vm.ETag = null;
        Assert.Equal(asked.Id, (await vm.PollUntilAsync(VmState.Assigned)).Assignment!.Id);
        Assert.Equal(HttpStatusCode.NoContent, await vm.ReportAsync(Outcome.Connected, "https://vm-1.example.org/again"));
        Assert.Equal((AssignmentState.Connected, "https://vm-1.example.org/again"),
            ((await deployment.FindAsync(asked.Id)).State, (await deployment.FindAsync(asked.Id)).ConnectUrl));
    }

    [Fact]
    public async Task Vm_with_an_unhealthy_gpu_leaves_the_pool_and_returns_by_itself()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        await vm.ReportAsync(new VmReport(Gpu: GpuHealth.Unhealthy));
        await deployment.WaitForFleetAsync("vm-1", view => !view.IsFree);
        var asked = await deployment.AskAsync("ada@example.org");
        await deployment.WaitForQueueAsync(1);
        await vm.PollAsync(deployment.Replicas[1]);
        Assert.Equal((AssignmentState.Waiting, 1L), ((await deployment.FindAsync(asked.Id)).State, (await deployment.FindAsync(asked.Id)).Position));

        await vm.ReportAsync(new VmReport(Gpu: GpuHealth.Healthy));
        Assert.Equal(asked.Id, (await vm.PollUntilAsync(VmState.Assigned, deployment.Replicas[1])).Assignment!.Id);
    }
}
