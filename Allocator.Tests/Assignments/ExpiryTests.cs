using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Assignments;

public sealed class ExpiryTests(PostgresServer server)
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly PoolSettings OneHour = new(Duration: Hour, Warning: TimeSpan.FromMinutes(10));

    [Fact]
    public async Task Assignment_expires_once_and_its_time_starts_with_the_connection()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 3,
            new() { ["Liveness:SweepInterval"] = "00:00:00.01", ["Liveness:LostAfter"] = "1.00:00:00" });
        await deployment.PutPoolAsync("default", OneHour);
        var vms = await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 10).Select(i => $"vm-{i}")]);
        for (var i = 0; i < vms.Length; i++)
        {
            await deployment.AskAsync($"person-{i}@example.org");
        }
        await Task.WhenAll(vms.Select(vm => vm.PollUntilAsync(VmState.Assigned)));
        Assert.Equal(0, await deployment.QueryAsync<long>("select count(*) from assignments where expires_at is not null"));
        foreach (var vm in vms)
        {
            await vm.ReportAsync(Outcome.Connected);
        }
        var connected = await deployment.FindAsync(vms[0].Answer!.Assignment!.Id);
        Assert.Equal((connected.ConnectedAt + Hour, connected.ConnectedAt + TimeSpan.FromMinutes(50)), (connected.ExpiresAt, connected.WarnAt));

        await deployment.MoveClockAsync(Hour - TimeSpan.FromMinutes(2));
        await deployment.SweepAsync();
        Assert.Equal(0, await deployment.QueryAsync<long>("select count(*) from assignments where state = 'ended'"));
        await deployment.MoveClockAsync(TimeSpan.FromMinutes(3));
        await Wait.UntilAsync(async () =>
            await deployment.QueryAsync<long>("select count(*) from assignments where end_reason = 'expired'") == 10, "all have expired");
        await deployment.SweepAsync();

        Assert.Equal(10, (await deployment.EventsAsync("action=expired&actor=allocator")).Count);
        Assert.All(await Task.WhenAll(vms.Select(vm => vm.PollUntilAsync(VmState.Cleaning))), answer => Assert.Null(answer.Assignment));
        Assert.Equal(0,
            await deployment.QueryAsync<long>("select count(*) from assignments where num_nonnulls(code, pin, connect_url, client_address) > 0"));
        // The person can request a VM again.
        await vms[0].ReportAsync(Outcome.Clean);
        var again = await deployment.AskAsync("person-0@example.org");
        Assert.Equal(again.Id, (await vms[0].PollUntilAsync(VmState.Assigned)).Assignment!.Id);
    }

    [Fact]
    public async Task Admin_extends_by_a_duration_or_to_a_time_and_nothing_ends_earlier()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Liveness:LostAfter"] = "1.00:00:00" });
        await deployment.PutPoolAsync("default", OneHour);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var asked = await deployment.AskAsync("ada@example.org");
        var path = $"/assignments/{asked.Id}/extend";
        Assert.Equal((409, "no-end"), await deployment.RefusedAsync(path, new { by = "01:00:00" }));
        await vm.PollUntilAsync(VmState.Assigned);
        await vm.ReportAsync(Outcome.Connected);
        var end = (await deployment.FindAsync(asked.Id)).ExpiresAt!.Value;

        Assert.Equal(end + Hour, (await deployment.DoAsync<Assignment>(path, new { by = "01:00:00" })).ExpiresAt);
        var extended = Assert.Single(await deployment.EventsAsync($"assignment={asked.Id}&action=extended"));
        Assert.Equal(end, extended.Detail.GetProperty("before").GetProperty("expiresAt").GetDateTime().ToUniversalTime());
        await deployment.MoveClockAsync(Hour + TimeSpan.FromMinutes(5));
        await deployment.SweepAsync();
        Assert.Equal(AssignmentState.Connected, (await deployment.FindAsync(asked.Id)).State);

        var late = end + 3 * Hour;
        Assert.Equal(late, (await deployment.DoAsync<Assignment>(path, new { expiresAt = late })).ExpiresAt);
        await deployment.DoAsync(path, new { expiresAt = late });
        Assert.Equal(2, (await deployment.EventsAsync("action=extended")).Count);

        Assert.Equal((400, "invalid"), await deployment.RefusedAsync(path, new { expiresAt = end - 2 * Hour }));
        Assert.Equal((400, "invalid"), await deployment.RefusedAsync(path, new { }));
        Assert.Equal((400, "invalid"), await deployment.RefusedAsync(path, new { by = "01:00:00", expiresAt = late }));
        Assert.Equal((400, "invalid"), await deployment.RefusedAsync(path, new { expiresAt = "2030-01-01T00:00:00" }));
        Assert.Equal((400, "invalid"), await deployment.RefusedAsync(path, new { by = "an hour" }));
        Assert.Equal((404, "unknown-assignment"), await deployment.RefusedAsync($"/assignments/{Guid.NewGuid()}/extend", new { by = "01:00:00" }));
        await deployment.EndAsync(asked.Id);
        Assert.Equal((409, "assignment-ended"), await deployment.RefusedAsync(path, new { by = "01:00:00" }));
    }
}
