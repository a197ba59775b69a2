using System.Net;
using System.Net.Sockets;
using System.Text;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Polling;

public sealed class PollTests(PostgresServer server)
{
    [Fact]
    public async Task Poll_with_the_current_etag_is_answered_with_304_and_the_same_headers()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = await deployment.EnrolAsync("vm-1");
        await vm.PollAsync();
        Assert.Equal(HttpStatusCode.OK, vm.Status);

        foreach (var tag in new[] { "\"g1\"", "W/\"g1\"", "\"other\", \"g1\"", "\"g0\",W/\"g1\"", "*" })
        {
            using var response = await vm.SendAsync(HttpMethod.Get, "/assignment/vm-1", ifNoneMatch: tag);
            Assert.Equal(HttpStatusCode.NotModified, response.StatusCode);
            Assert.Equal("\"g1\"", response.Headers.ETag!.Tag);
            Assert.Equal((true, TimeSpan.FromSeconds(1)), (response.Headers.CacheControl!.Private, response.Headers.CacheControl.MaxAge));
            Assert.Equal(0, response.Content.Headers.ContentLength ?? 0);
        }
        foreach (var tag in new[] { null, "\"g0\"", "\"x1\"", "g1", "\"g1", "\"g 1\"", "\"g-1\"", "" })
        {
            using var response = await vm.SendAsync(HttpMethod.Get, "/assignment/vm-1", ifNoneMatch: tag);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
    }

    [Fact]
    public async Task Hostname_in_the_path_may_be_in_upper_case()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = await deployment.EnrolAsync("VM-1");
        Assert.Equal("vm-1", vm.Hostname);
        using var response = await vm.SendAsync(HttpMethod.Get, "/assignment/VM-1");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task Cached_body_is_never_served_once_it_is_stale_and_never_to_another_vm()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        await deployment.EnrolFreeAsync("vm-2", "vm-3", "vm-4", "vm-5", "vm-6", "vm-7", "vm-8", "vm-9");
        var other = await deployment.EnrolAsync("vm-99");
        using var first = await vm.SendAsync(HttpMethod.Get, "/assignment/vm-1");
        using var second = await vm.SendAsync(HttpMethod.Get, "/assignment/vm-1");
        // The output cache knows the length of its entries; a newly written body is chunked.
        Assert.True(first.Headers.TransferEncodingChunked);
        Assert.Null(second.Headers.TransferEncodingChunked);
        Assert.Equal(await first.Content.ReadAsStringAsync(), await second.Content.ReadAsStringAsync());
        // Headers that are computed for each reply do not come from the cache.
        Assert.Equal(TimeSpan.FromSeconds(1), second.Headers.CacheControl!.MaxAge);
        Assert.Null(second.Headers.Age);

        using (var foreign = await other.SendAsync(HttpMethod.Get, "/assignment/vm-1"))
        {
            Assert.Equal(HttpStatusCode.Forbidden, foreign.StatusCode);
        }
        vm.Token = "vm-1.wrong";
        using (var wrong = await vm.SendAsync(HttpMethod.Get, "/assignment/vm-1"))
        {
            Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);
        }
        await deployment.ExecuteAsync("update vms set hold = 'held' where hostname = 'vm-2'");
        await deployment.ExecuteAsync("update vms set hold = 'held' where hostname = 'vm-99'");
        Assert.Equal(VmState.Held, (await other.PollUntilAsync(VmState.Held)).State);
        Assert.Equal(2, other.Answer!.Generation);
    }

    [Fact]
    public async Task Vm_enrolled_at_one_replica_is_served_immediately_by_another()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        await deployment.StopFeedsAsync();
        var vm = await deployment.EnrolAsync("vm-1", replica: deployment.Replicas[0]);

        await vm.PollAsync(deployment.Replicas[1]);

        Assert.Equal(HttpStatusCode.OK, vm.Status);
    }

    [Fact]
    public async Task New_token_is_accepted_immediately_by_a_replica_that_knows_only_the_old_one()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        await deployment.StopFeedsAsync();
        var vm = await deployment.EnrolAsync("vm-1", replica: deployment.Replicas[0]);
        await vm.PollAsync(deployment.Replicas[1]);
        var again = await deployment.EnrolAsync("vm-1", replica: deployment.Replicas[0]);

        await again.PollAsync(deployment.Replicas[1]);
        await vm.PollAsync(deployment.Replicas[1]);

        Assert.Equal(HttpStatusCode.OK, again.Status);
        Assert.Equal(HttpStatusCode.Unauthorized, vm.Status);
    }

    [Fact]
    public async Task Replica_never_answers_with_an_older_generation_than_the_vm_has()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        await deployment.StopFeedsAsync();
        var vm = await deployment.EnrolAsync("vm-1", replica: deployment.Replicas[0]);
        await vm.ReportAsync(new VmReport(VmStatus.Running));
        await vm.PollAsync(deployment.Replicas[1]);
        // The first replica learns of the waiting person from its own request; the second does not.
        var asked = await deployment.AskAsync("ada@example.org");
        await deployment.ExecuteAsync($"""
            with v as (update vms set assignment_id = '{asked.Id}' where hostname = 'vm-1' returning generation)
            update assignments set state = 'assigned', hostname = 'vm-1', generation = v.generation, assigned_at = now() from v
            """);
        Assert.Equal(1, deployment.Replicas[1].Fleet.Find("vm-1")!.View.Generation);

        vm.ETag = "\"g2\"";
        await vm.PollAsync(deployment.Replicas[1]);

        Assert.Equal(HttpStatusCode.NotModified, vm.Status);
        Assert.Equal("\"g2\"", vm.ETag);
        Assert.Equal(asked.Id, deployment.Replicas[1].Fleet.Find("vm-1")!.View.Assignment!.Id);
    }

    [Fact]
    public async Task Etag_with_an_impossible_generation_is_corrected_without_a_query_per_poll()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.StopFeedsAsync();
        var vm = await deployment.EnrolAsync("vm-1");
        await vm.PollAsync();
        await deployment.ExecuteAsync("create extension pg_stat_statements; select pg_stat_statements_reset()");

        for (var i = 0; i < 50; i++)
        {
            vm.ETag = "\"g999\"";
            await vm.PollAsync();
            Assert.Equal(HttpStatusCode.OK, vm.Status);
            Assert.Equal("\"g1\"", vm.ETag);
        }

        Assert.InRange(await StatementsAsync(deployment, "%where v.hostname = $1%"), 1, 5);
    }

    [Fact]
    public async Task Steady_polling_makes_no_query_per_poll()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 1, new()
        {
            ["Liveness:Resolution"] = "00:00:30",
            ["Liveness:LostAfter"] = "00:10:00",
            ["Liveness:SweepInterval"] = "00:05:00",
            ["Fleet:FeedInterval"] = "00:00:00.5",
        });
        var vms = await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 20).Select(i => $"vm-{i}")]);
        await Task.WhenAll(vms.Select(vm => vm.PollAsync()));
        await deployment.ExecuteAsync("create extension pg_stat_statements; select pg_stat_statements_reset()");

        var polls = 0;
        await Wait.UntilAsync(async () =>
        {
            await Task.WhenAll(vms.Select(vm => vm.PollAsync()));
            Assert.All(vms, vm => Assert.Equal(HttpStatusCode.NotModified, vm.Status));
            polls += vms.Length;
            return polls >= 500 && await StatementsAsync(deployment, "%pg_snapshot_xmin%") >= 2;
        }, "the feed has run twice while 500 polls were answered");

        // The feed runs twice a second, and the connections are counted four times a minute. Only the first liveness
        // records may still be written. There is no other query.
        var others = await deployment.QueryAsync<string[]>(
            """
            select coalesce(array_agg(query), '{}')
            from pg_stat_statements
            where dbid = (select oid from pg_database where datname = current_database())
                and query not like '%pg_stat_statements%' and query not like '%pg_snapshot_xmin%' and query not like '%pg_stat_activity%'
            """);
        Assert.All(others, statement => Assert.Contains("update liveness", statement, StringComparison.Ordinal));
        Assert.InRange(await StatementsAsync(deployment, "%update liveness%"), 0, 3);
    }

    [Fact]
    public async Task Polls_update_the_liveness_in_the_database()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        var vm = await deployment.EnrolAsync("vm-1");
        var enrolledAt = (await deployment.FindVmAsync("vm-1")).PolledAt;
        await deployment.MoveClockAsync(TimeSpan.FromSeconds(60));

        await Wait.UntilAsync(async () =>
        {
            await vm.PollAsync(deployment.Replicas[1]);
            return (await deployment.FindVmAsync("vm-1")).PolledAt > enrolledAt.AddSeconds(59);
        }, "the poll is in the database");
    }

    [Fact]
    public async Task Reply_lost_after_the_binding_is_repeated_with_the_next_poll()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        await vm.PollAsync();
        var asked = await deployment.AskAsync("ada@example.org");

        // The VM sends its poll and disconnects before the reply arrives.
        using (var socket = new TcpClient())
        {
            await socket.ConnectAsync(deployment.Replica.Address.Host, deployment.Replica.Address.Port);
            await socket.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
                $"GET /assignment/vm-1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {vm.Token}\r\nIf-None-Match: {vm.ETag}\r\n\r\n"));
            socket.LingerState = new LingerOption(true, 0);
        }
        await Wait.UntilAsync(async () => (await deployment.FindAsync(asked.Id)).State == AssignmentState.Assigned, "the person is bound");

        var answer = await vm.PollAsync();
        Assert.Equal(HttpStatusCode.OK, vm.Status);
        Assert.Equal(asked.Id, answer!.Assignment!.Id);
        await vm.PollAsync();
        Assert.Equal(HttpStatusCode.NotModified, vm.Status);
    }

    [Fact]
    public async Task Max_age_shrinks_with_the_number_of_free_vms()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vms = await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 60).Select(i => $"vm-{i}")]);
        await vms[0].PollAsync();
        Assert.Equal(10, vms[0].MaxAge);

        await deployment.ExecuteAsync("update vms set hold = 'held' where hostname not in ('vm-1', 'vm-2')");
        await Wait.UntilAsync(async () => (await vms[0].PollAsync()) is not null && vms[0].MaxAge == 1, "two free VMs poll every second");
        await vms[9].PollAsync();
        Assert.Equal(15, vms[9].MaxAge);
    }

    [Fact]
    public async Task Many_requests_make_a_rush()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Polls:RushRequestsPerMinute"] = "3" });
        var vms = await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 60).Select(i => $"vm-{i}")]);
        for (var i = 0; i < 3; i++)
        {
            await deployment.EndAsync((await deployment.AskAsync($"person-{i}@example.org")).Id);
        }
        await Wait.UntilAsync(async () => (await vms[0].PollAsync()) is not null && vms[0].MaxAge == 2, "the free VMs poll more often");

        await deployment.MoveClockAsync(TimeSpan.FromMinutes(1));
        await Wait.UntilAsync(async () => (await vms[0].PollAsync()) is not null && vms[0].MaxAge == 10, "the rush is over");
    }

    private static Task<long> StatementsAsync(Deployment deployment, string like) => deployment.QueryAsync<long>(
        """
        select coalesce(sum(calls), 0)::bigint
        from pg_stat_statements
        where dbid = (select oid from pg_database where datname = current_database())
            and query like $1 and query not like '%pg_stat_statements%'
        """, like);
}
