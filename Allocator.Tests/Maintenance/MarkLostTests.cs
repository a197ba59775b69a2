using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Maintenance;

public sealed class MarkLostTests(PostgresServer server)
{
    private static readonly TimeSpan AfterLostAfter = TimeSpan.FromSeconds(121);

    [Fact]
    public async Task Vm_that_stops_polling_is_lost_until_its_next_poll()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2");
        await PollOnWhileTheClockMovesAsync(deployment, vms[..1]);

        var silent = await deployment.FindVmAsync("vm-2");
        Assert.Equal((VmPresence.Lost, false), (silent.Presence, silent.Free));
        Assert.Equal("lost", Assert.Single(silent.NotFreeBecause).Code);
        Assert.Equal(VmPresence.Present, (await deployment.FindVmAsync("vm-1")).Presence);
        // It no longer counts as free, so the remaining VM polls more often.
        await deployment.WaitForFleetAsync("vm-2", view => view.IsLost);
        Assert.Equal(1, deployment.Replica.Fleet.FindPool("default")!.Free);

        await vms[1].PollAsync();
        await deployment.WaitForFleetAsync("vm-2", view => view.IsFree);
        Assert.Equal(VmPresence.Present, (await deployment.FindVmAsync("vm-2")).Presence);
        Assert.Equal(["vm_lost", "vm_found"],
            await deployment.QueryAsync<string[]>("select array_agg(action order by id) from events where action in ('vm_lost', 'vm_found')"));
    }

    [Fact]
    public async Task Person_on_a_lost_vm_is_moved_unless_they_were_connected()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2", "vm-3");
        var preparing = await deployment.AskAsync("preparing@example.org");
        await vms[1].PollUntilAsync(VmState.Assigned);
        await vms[1].PollAsync();
        var connected = await deployment.AskAsync("connected@example.org");
        await vms[2].PollUntilAsync(VmState.Assigned);
        await vms[2].ReportAsync(Outcome.Connected);
        await deployment.WaitForFleetAsync("vm-2", view => view.Received);

        await PollOnWhileTheClockMovesAsync(deployment, vms[..1]);

        Assert.Equal(preparing.Id, (await vms[0].PollUntilAsync(VmState.Assigned)).Assignment!.Id);
        Assert.Equal((AssignmentState.Connected, "vm-3"),
            ((await deployment.FindAsync(connected.Id)).State, (await deployment.FindAsync(connected.Id)).Hostname));
        Assert.Equal(VmPresence.Lost, (await deployment.FindVmAsync("vm-3")).Presence);
    }

    [Fact]
    public async Task Pool_can_opt_in_to_moving_connected_people_off_a_lost_vm_once()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 3, new() { ["Liveness:SweepInterval"] = "00:00:00.01" });
        await deployment.PutPoolAsync("default", new PoolSettings(MoveWhenLost: true, Duration: TimeSpan.FromHours(8)));
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2", "vm-3");
        var asked = await deployment.AskAsync("ada@example.org");
        await vms[1].PollUntilAsync(VmState.Assigned);
        await vms[1].ReportAsync(Outcome.Connected, "https://vm-2.example.org/");
        var before = await deployment.FindAsync(asked.Id);
        await deployment.WaitForFleetAsync("vm-2", view => view.Received);
        await deployment.DoAsync("/vms/vm-1/hold");
        await deployment.DoAsync("/vms/vm-3/hold");
        await deployment.AskAsync("later@example.org");

        await PollOnWhileTheClockMovesAsync(deployment, [vms[0], vms[2]]);

        var moved = await deployment.FindAsync(asked.Id);
        Assert.Equal((AssignmentState.Waiting, 1L, null, before.ExpiresAt), (moved.State, moved.Position, moved.ConnectUrl, moved.ExpiresAt));
        await deployment.DoAsync("/vms/vm-1/unhold");
        Assert.Equal(asked.Id, (await vms[0].PollUntilAsync(VmState.Assigned)).Assignment!.Id);
        await vms[0].ReportAsync(Outcome.Connected);
        Assert.Equal(before.ExpiresAt, (await deployment.FindAsync(asked.Id)).ExpiresAt);
        Assert.Single(await deployment.EventsAsync($"assignment={asked.Id}&action=requeued"));
        // The lost VM must be cleaned when it returns.
        await vms[1].PollUntilAsync(VmState.Cleaning);
    }

    [Fact]
    public async Task No_vm_is_lost_when_the_allocator_itself_was_away()
    {
        var connectionString = await server.CreateDatabaseAsync();
        await using (var before = await Deployment.StartAsync(connectionString))
        {
            await before.EnrolFreeAsync("vm-1", "vm-2", "vm-3");
        }
        await using var deployment = await Deployment.StartAsync(connectionString, 0);
        await deployment.MoveClockAsync(TimeSpan.FromMinutes(30));

        deployment.AddReplica(connectionString);
        await Wait.UntilAsync(async () =>
            await deployment.QueryAsync<bool>("select swept_at > clock() - interval '1 minute' from sweeper"), "the replica has swept");
        await Wait.UntilAsync(async () => await deployment.QueryAsync<bool>("select swept_at > dark_at from sweeper"),
            "the replica has swept once more");

        Assert.Equal(0, await deployment.QueryAsync<long>("select count(*) from vms where lost_at is not null"));
    }

    [Fact]
    public async Task No_vm_is_lost_when_no_vm_at_all_polls()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 10).Select(i => $"vm-{i}")]);
        // The clock moves in steps, so that the allocator itself does not seem to have been away.
        for (var i = 0; i < 10; i++)
        {
            await deployment.MoveClockAsync(TimeSpan.FromSeconds(50));
            await deployment.SweepAsync();
        }
        Assert.Equal(0, await deployment.QueryAsync<long>("select count(*) from vms where lost_at is not null"));
    }

    [Fact]
    public async Task Most_of_the_fleet_is_lost_only_after_the_rest_has_polled_for_the_whole_time()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vms = await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 10).Select(i => $"vm-{i}")]);
        await PollOnWhileTheClockMovesAsync(deployment, vms, TimeSpan.FromMinutes(10));
        await PollOnWhileTheClockMovesAsync(deployment, vms[..2], AfterLostAfter + TimeSpan.FromSeconds(60));
        Assert.Equal(0, await deployment.QueryAsync<long>("select count(*) from vms where lost_at is not null"));

        await PollOnWhileTheClockMovesAsync(deployment, vms[..2], AfterLostAfter);
        Assert.Equal(8, await deployment.QueryAsync<long>("select count(*) from vms where lost_at is not null"));
    }

    private static async Task PollOnWhileTheClockMovesAsync(Deployment deployment, TestVm[] vms, TimeSpan? by = null)
    {
        var step = TimeSpan.FromSeconds(40);
        for (var moved = TimeSpan.Zero; moved < (by ?? 3 * AfterLostAfter); moved += step)
        {
            await deployment.MoveClockAsync(step);
            foreach (var vm in vms)
            {
                await Wait.UntilAsync(async () =>
                {
                    await vm.PollAsync();
                    return await deployment.QueryAsync<bool>("select polled_at > clock() - interval '20 seconds' from liveness where hostname = $1",
                        vm.Hostname);
                }, "the poll is in the database");
            }
            await deployment.SweepAsync();
        }
    }
}
