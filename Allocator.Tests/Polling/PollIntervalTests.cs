using Allocator.Api.Fleet;
using Allocator.Api.Polling;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.Options;
using Xunit;

namespace Allocator.Tests.Polling;

public sealed class PollIntervalTests(PostgresServer server)
{
    private static readonly VmSnapshot FreeVm =
        new("vm-1", "default", 1, 1, default, VmState.Free, IsFree: true, IsLost: false, IsDeleted: false, null, Received: false);

    [Theory]
    // A VM polls every 1.5 × max-age on average: 6,000 VMs that poll 2,000 times a second together do so every 3 s.
    [InlineData(300, 2_000, 2)]
    [InlineData(6_000, 2_000, 2)]
    [InlineData(15_000, 2_000, 5)]
    [InlineData(15_000, 1_000, 10)]
    [InlineData(15_000, 100, 15)]
    [InlineData(1_000_000, 2_000, 15)]
    // Few VMs poll as frequently as without a rush.
    [InlineData(6, 2_000, 1)]
    public void Free_vms_in_a_rush_poll_no_more_often_together_than_rush_polls_per_second(int free, int rushPollsPerSecond, int maxAge)
    {
        var interval = new PollInterval(Options.Create(new PollOptions { RushPollsPerSecond = rushPollsPerSecond }));
        var pool = new FleetPool("default");
        for (var i = 0; i < free; i++)
        {
            pool.Count(null, FreeVm);
        }
        pool.Update(waiting: 0, requestsInLastMinute: 0, longestWait: 0, inRush: true);

        Assert.Equal(maxAge, interval.MaxAge(FreeVm.PollState, pool));
    }

    [Fact]
    public async Task Setting_of_rush_polls_per_second_reaches_the_vms()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new()
        {
            ["Polls:PickupsPerSecond"] = "1",
            ["Polls:RushMaxAge"] = "00:00:01",
            ["Polls:RushPollsPerSecond"] = "2",
            ["Liveness:LostAfter"] = "1.00:00:00",
        });
        var vms = await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 12).Select(i => $"vm-{i}")]);
        await vms[0].PollAsync();
        Assert.Equal(8, vms[0].MaxAge);

        var now = await deployment.QueryAsync<DateTime>("select clock()");
        await deployment.PutPoolAsync("default", new PoolSettings(RushUntil: now.AddMinutes(30)));
        await Wait.UntilAsync(() => deployment.Replica.Fleet.FindPool("default")!.InRush, "the pool is in rush");
        await vms[0].PollAsync();
        Assert.Equal(4, vms[0].MaxAge);
    }
}
