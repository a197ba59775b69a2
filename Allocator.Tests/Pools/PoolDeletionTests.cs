using System.Net;
using System.Net.Http.Json;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Pools;

public sealed class PoolDeletionTests(PostgresServer server)
{
    [Fact]
    public async Task Pool_can_be_deleted_once_its_vms_and_people_are_gone()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        Assert.Equal((404, "unknown-pool"), await deployment.RefusedAsync("DELETE /pools/gpu"));
        Assert.Equal((409, "default-pool"), await deployment.RefusedAsync("DELETE /pools/default"));
        await deployment.PutPoolAsync("gpu", new PoolSettings());
        var vm = await deployment.EnrolAsync("gpu-1", "gpu");
        await vm.ReportAsync(new VmReport(VmStatus.Running));
        var ada = await deployment.AskAsync("ada@example.org", "gpu");
        await vm.PollUntilAsync(VmState.Assigned);
        Assert.Equal((409, "pool-in-use"), await deployment.RefusedAsync("DELETE /pools/gpu"));
        await deployment.EndAsync(ada.Id);
        Assert.Equal((409, "pool-in-use"), await deployment.RefusedAsync("DELETE /pools/gpu"));
        await deployment.DoAsync("DELETE /vms/gpu-1");
        var grace = await deployment.AskAsync("grace@example.org", "gpu");
        Assert.Equal((409, "pool-in-use"), await deployment.RefusedAsync("DELETE /pools/gpu"));
        await deployment.EndAsync(grace.Id);

        await deployment.DoAsync("DELETE /pools/gpu");

        Assert.Equal((404, "unknown-pool"), await deployment.RefusedAsync("GET /pools/gpu"));
        Assert.Equal(HttpStatusCode.NotFound, (await deployment.Person.GetAsync($"/assignments/{ada.Id}")).StatusCode);
        await Wait.UntilAsync(() =>
            deployment.Replicas.All(replica => replica.Fleet.FindPool("gpu") is null), "every replica has forgotten the pool");
        // Its history can still be read, and the old token of its VM still gets the right answer.
        Assert.Contains(await deployment.EventsAsync("pool=gpu"), one =>
            one is { Action: "assigned", Hostname: "gpu-1" } && one.AssignmentId == ada.Id);
        Assert.Equal("pool_deleted", (await deployment.EventsAsync("pool=gpu&order=desc&limit=1")).Single().Action);
        foreach (var replica in deployment.Replicas)
        {
            await Wait.UntilAsync(async () => { await vm.PollAsync(replica); return vm.Status == HttpStatusCode.Gone; }, "it is answered with 410");
        }

        // The names are free again. A machine that was deleted before it was clean must still be cleaned.
        await deployment.PutPoolAsync("gpu", new PoolSettings());
        await deployment.EnrolAsync("gpu-1", "gpu");
        await deployment.WaitForFleetAsync("gpu-1", view => view is { Pool: "gpu", State: VmState.Cleaning });
    }

    [Fact]
    public async Task Rehearsal_pool_is_deleted_with_all_its_contents_at_any_time()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        await deployment.EnrolFreeAsync("vm-1");
        await deployment.PutPoolAsync("played", new PoolSettings(Rehearsal: true));
        var vms = new List<TestVm>();
        foreach (var hostname in new[] { "played-1", "played-2", "played-3" })
        {
            vms.Add(await deployment.EnrolAsync(hostname, "played"));
            await vms[^1].ReportAsync(new VmReport(VmStatus.Running));
        }
        await deployment.DoAsync("DELETE /vms/played-3");
        var ended = await deployment.AskAsync("ada@example.org", "played");
        await vms[0].PollUntilAsync(VmState.Assigned);
        await deployment.EndAsync(ended.Id);
        await deployment.AskAsync("grace@example.org", "played");
        await vms[1].PollUntilAsync(VmState.Assigned);
        await deployment.AskAsync("barbara@example.org", "played");

        await deployment.DoAsync("DELETE /pools/played");

        foreach (var table in new[] { "vms", "assignments" })
        {
            Assert.Equal(0, await deployment.QueryAsync<long>($"select count(*) from {table} where pool = 'played'"));
        }
        Assert.Equal(1, await deployment.QueryAsync<long>("select count(*) from liveness"));
        var told = await deployment.EventsAsync("pool=played");
        Assert.Equal(["pool_made", "pool_deleted"], told.Select(one => one.Action));
        Assert.Equal((3, 3), (told[1].Detail.GetProperty("vms").GetInt32(), told[1].Detail.GetProperty("assignments").GetInt32()));
        foreach (var replica in deployment.Replicas)
        {
            await Wait.UntilAsync(async () =>
                { await vms[1].PollAsync(replica); return vms[1].Status == HttpStatusCode.NotFound; }, "its VMs are unknown");
            Assert.Null(replica.Fleet.FindPool("played"));
            Assert.Null(replica.Fleet.Find("played-2"));
            Assert.Equal(1, replica.Fleet.Count);
        }

        // Another pool can take the same name immediately.
        await deployment.PutPoolAsync("played", new PoolSettings(Rehearsal: true));
        await deployment.EnrolAsync("played-2", "played");
        await deployment.WaitForFleetAsync("played-2", view => view.Generation == 1);
    }

    [Fact]
    public async Task Rehearsal_flag_of_a_pool_cannot_be_changed()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.PutPoolAsync("played", new PoolSettings(Rehearsal: true));
        Assert.Equal((409, "pool-kind"), await deployment.RefusedAsync("PUT /pools/default", new { rehearsal = true }));
        Assert.Equal((409, "pool-kind"), await deployment.RefusedAsync("PUT /pools/played", new { open = false }));
        Assert.True((await deployment.FindPoolAsync("played")).Settings is { Rehearsal: true, Open: true });
        Assert.False((await deployment.FindPoolAsync("default")).Settings.Rehearsal);
        await deployment.PutPoolAsync("played", new PoolSettings(Open: false, Rehearsal: true));
        Assert.False((await deployment.FindPoolAsync("played")).Open);
    }

    [Fact]
    public async Task Person_who_joins_while_a_pool_is_deleted_keeps_it_or_finds_it_gone()
    {
        await using var deployment = await Deployment.StartAsync(server);
        for (var i = 0; i < 20; i++)
        {
            await deployment.PutPoolAsync("gpu", new PoolSettings());
            var deletion = deployment.Admin.DeleteAsync("/pools/gpu");
            var asking = deployment.Person.PostAsJsonAsync("/assignments", new AssignmentRequest("ada@example.org", "gpu"));
            var (deleted, asked) = ((await deletion).StatusCode, (await asking).StatusCode);
            Assert.Contains((deleted, asked), new[]
            {
                (HttpStatusCode.NoContent, HttpStatusCode.NotFound),
                (HttpStatusCode.Conflict, HttpStatusCode.Accepted),
            });
            await deployment.DoAsync("/assignments/release", new { pool = "gpu" });
        }
    }
}
