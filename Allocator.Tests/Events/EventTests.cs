using System.Net.Http.Headers;
using System.Net.Http.Json;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Npgsql;
using Xunit;

namespace Allocator.Tests.Events;

public sealed class EventTests(PostgresServer server)
{
    [Fact]
    public async Task Events_record_the_history_of_a_vm_a_person_and_a_pool()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.PutPoolAsync("gpu", new PoolSettings(AccessCode: "sesame"));
        await deployment.PutPoolAsync("gpu", new PoolSettings(AccessCode: "sesame"));
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var first = await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);
        await vm.ReportAsync(Outcome.Connected);
        await deployment.EndAsync(first.Id);
        await deployment.AskAsync("Ada@example.org");
        await deployment.AskAsync("grace@example.org");
        await deployment.DoAsync("/vms/vm-1/hold");

        Assert.Equal(["requested", "assigned", "connected", "released", "requested"], await ActionsAsync("email=ADA@example.org"));
        Assert.Equal(["requested", "assigned", "connected", "released"], await ActionsAsync($"assignment={first.Id}"));
        Assert.Equal(["enrolled", "reported", "assigned", "connected", "released", "vm_held"], await ActionsAsync("hostname=VM-1"));
        Assert.Equal(["pool_made"], await ActionsAsync("pool=gpu"));
        Assert.Equal(["pool_made", "vm_held"], await ActionsAsync("actor=admin:admin"));
        Assert.Equal(["vm_held"], await ActionsAsync("order=desc&limit=1"));
        var made = Assert.Single(await deployment.EventsAsync("action=pool_made"));
        Assert.True(made.Detail.GetProperty("after").GetProperty("needsAccessCode").GetBoolean());
        Assert.Equal(("waiting", "assigned"), Change(Assert.Single(await deployment.EventsAsync("action=assigned"))));
        Assert.Equal(("assigned", "connected"), Change(Assert.Single(await deployment.EventsAsync("action=connected"))));
        Assert.Equal(("connected", "ended"), Change(Assert.Single(await deployment.EventsAsync("action=released"))));

        // Newest first, page by page, and between two times.
        var all = await deployment.EventsAsync("order=desc");
        var page = (await deployment.Admin.GetFromJsonAsync<Page<EventRecord>>("/events?order=desc&limit=3"))!;
        Assert.Equal(all[3].Id, (await deployment.EventsAsync($"order=desc&limit=3&after={page.Next}"))[0].Id);
        Assert.Equal(all.Reverse().Select(one => one.Id), (await deployment.EventsAsync("")).Select(one => one.Id));
        Assert.Empty(await deployment.EventsAsync("since=2999-01-01T00:00:00Z"));
        Assert.Equal(all.Count, (await deployment.EventsAsync("until=2999-01-01T00:00:00Z&since=2020-01-01T00:00:00%2B01:00")).Count);

        async Task<IEnumerable<string>> ActionsAsync(string query) =>
            (await deployment.EventsAsync(query)).Select(one => one.Action).Where(action => action != "received");

        static (string?, string?) Change(EventRecord one) =>
            (one.Detail.GetProperty("before").GetProperty("state").GetString(), one.Detail.GetProperty("after").GetProperty("state").GetString());
    }

    [Fact]
    public async Task Lists_are_exported_as_complete_csv_without_formulas()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.EnrolFreeAsync("vm-1", "vm-2");
        await deployment.DoAsync("/vms/vm-2/hold");
        await deployment.AskAsync("=1+1@example.org");
        await deployment.AskAsync("ada,lovelace\u00e9@example.org".Replace(",", "", StringComparison.Ordinal));
        await deployment.AskAsync("\uff1d1+1@example.org");
        await deployment.ExecuteAsync(
            "insert into events (actor, action, hostname) select 'admin:admin', 'test', 'vm-' || i from generate_series(1, 2500) i");

        var vms = await CsvAsync("/vms?limit=1");
        Assert.Equal("hostname,pool,state,status,presence,hold,gpu,inUse,free,email,assignmentId,enrolledAt,polledAt", vms[0]);
        Assert.StartsWith("vm-1,default,free,running,present,,,,true,,,2", vms[1], StringComparison.Ordinal);
        Assert.StartsWith("vm-2,default,held,running,present,held,,,false,,,2", vms[2], StringComparison.Ordinal);
        Assert.Equal(4, vms.Length);
        var assignments = await CsvAsync("/assignments?state=waiting");
        Assert.Contains(",\"'=1+1@example.org\",waiting,1,", assignments[1], StringComparison.Ordinal);
        Assert.Contains(",adalovelaceé@example.org,waiting,2,", assignments[2], StringComparison.Ordinal);
        Assert.Contains(",\"'\uff1d1+1@example.org\",waiting,3,", assignments[3], StringComparison.Ordinal);
        var events = await CsvAsync("/events?action=test");
        Assert.Equal(2_502, events.Length);
        Assert.Equal(2_500, events[1..^1].Distinct().Count());

        async Task<string[]> CsvAsync(string path)
        {
            using var request =
                new HttpRequestMessage(HttpMethod.Get, path) { Headers = { Accept = { new MediaTypeWithQualityHeaderValue("text/csv") } } };
            using var response = await deployment.Admin.SendAsync(request);
            Assert.Equal("text/csv", response.Content.Headers.ContentType!.MediaType);
            return (await response.Content.ReadAsStringAsync()).Split("\r\n");
        }
    }

    [Fact]
    public async Task Records_past_their_retention_are_removed_in_batches_and_events_only_so()
    {
        await using var deployment = await Deployment.StartAsync(server, replicas: 2,
            new() { ["Retention:Events"] = "100.00:00:00", ["Retention:EndedAssignments"] = "10.00:00:00", ["Retention:BatchSize"] = "7" });
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var ended = await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);
        await deployment.EndAsync(ended.Id);
        var waiting = await deployment.AskAsync("grace@example.org");
        await deployment.ExecuteAsync("insert into events (actor, action) select 'allocator', 'test' from generate_series(1, 50)");
        var events = await deployment.QueryAsync<long>("select count(*) from events");

        await deployment.MoveClockAsync(TimeSpan.FromDays(11));
        await Wait.UntilAsync(async () =>
            await deployment.QueryAsync<long>("select count(*) from assignments") == 1, "the ended assignment is removed");
        Assert.Equal(AssignmentState.Waiting, (await deployment.FindAsync(waiting.Id)).State);
        Assert.InRange(await deployment.QueryAsync<long>("select count(*) from events"), events, long.MaxValue);
        // The personal data is gone; the history is not.
        Assert.Empty(await deployment.EventsAsync("email=ada@example.org"));
        Assert.NotEmpty(await deployment.EventsAsync($"assignment={ended.Id}"));

        await deployment.MoveClockAsync(TimeSpan.FromDays(90));
        await Wait.UntilAsync(async () =>
            await deployment.QueryAsync<long>("select count(*) from events where action = 'test'") == 0, "the events are removed");
        var refused = await Assert.ThrowsAsync<PostgresException>(() => deployment.ExecuteAsync("delete from events"));
        Assert.Contains("append-only", refused.MessageText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hostname=vm_1", "hostname")]
    [InlineData("assignment=x", "assignment")]
    [InlineData("email=", "email")]
    [InlineData("pool=No+Such", "pool")]
    [InlineData("since=2026-01-01T00:00:00", "since")]
    [InlineData("until=yesterday", "until")]
    [InlineData("order=up", "order")]
    [InlineData("after=x", "after")]
    [InlineData("limit=0", "limit")]
    public async Task Query_parameters_are_validated(string query, string field)
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var response = await deployment.Admin.GetAsync($"/events?{query}");
        var text = await response.Content.ReadAsStringAsync();
        Assert.True((int)response.StatusCode == 400 && text.Contains($"\"{field}\":", StringComparison.Ordinal), text);
    }
}
