using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Allocator.Api.Security;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Vms;

public sealed class VmEndpointsTests(PostgresServer server)
{
    [Fact]
    public async Task Machine_that_enrols_again_gets_a_new_token_and_keeps_its_person()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var asked = await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);

        var again = await deployment.EnrolAsync("VM-1");

        Assert.NotEqual(vm.Token, again.Token);
        Assert.Equal(asked.Id, (await again.PollAsync())!.Assignment!.Id);
        await Wait.UntilAsync(async () => (await vm.PollAsync()) is not null && vm.Status == HttpStatusCode.Unauthorized, "the old token is refused");
    }

    [Fact]
    public async Task Two_enrolment_tokens_are_valid_while_one_replaces_the_other()
    {
        var old = Credentials.HashKey(Replica.EnrolmentToken);
        var fresh = Credentials.HashKey("the-next-enrolment-token");
        await using var deployment =
            await Deployment.StartAsync(server, settings: new() { ["Enrolment:TokenHashes:0"] = old, ["Enrolment:TokenHashes:1"] = fresh });
        Assert.Equal(HttpStatusCode.Created, await EnrolAsync("vm-1", Replica.EnrolmentToken));
        Assert.Equal(HttpStatusCode.Created, await EnrolAsync("vm-2", "the-next-enrolment-token"));
        Assert.Equal(HttpStatusCode.Unauthorized, await EnrolAsync("vm-3", fresh));

        async Task<HttpStatusCode> EnrolAsync(string hostname, string token)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post,
                "/vms") { Content = JsonContent.Create(new EnrolmentRequest(hostname, "machine-" + hostname)) };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var response = await deployment.Person.SendAsync(request);
            return response.StatusCode;
        }
    }

    [Fact]
    public async Task Only_the_hash_of_a_token_is_stored()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = await deployment.EnrolAsync("vm-1");
        Assert.True(await deployment.QueryAsync<bool>("select token_hash = sha256($1::text::bytea) from vms", vm.Token));
        Assert.Equal(0, await deployment.QueryAsync<long>("select count(*) from vms where vms::text like '%' || $1 || '%'", vm.Token.Split('.')[1]));
    }

    [Fact]
    public async Task Report_changes_only_the_fields_that_it_names()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = await deployment.EnrolAsync("vm-1");
        await vm.ReportAsync(
            new VmReport(VmStatus.Running, GpuHealth.Healthy, true, "boot-1", new Dictionary<string, double> { ["cloudInit"] = 12.5 }));
        await vm.ReportAsync(new VmReport(Gpu: GpuHealth.Unhealthy));
        var events = await deployment.QueryAsync<long>("select count(*) from events");
        await vm.ReportAsync(new VmReport(Gpu: GpuHealth.Unhealthy));
        await vm.ReportAsync(new VmReport());

        var now = await deployment.FindVmAsync("vm-1");
        Assert.Equal((VmStatus.Running, GpuHealth.Unhealthy, true, "boot-1", 12.5),
            (now.Status, now.Gpu, now.InUse, now.BootId, now.Startup!["cloudInit"]));
        Assert.False(now.Free);
        Assert.Equal("gpu_unhealthy", Assert.Single(now.NotFreeBecause).Code);
        Assert.Equal(events, await deployment.QueryAsync<long>("select count(*) from events"));
    }

    [Fact]
    public async Task Admin_sees_the_last_reported_warnings_and_they_do_not_block_the_vm()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        await vm.ReportAsync(
            new VmReport(Warnings: new Dictionary<string, string?> { ["disk"] = "/ is 97 % full", ["gpu"] = "No devices were found" }));
        await vm.ReportAsync(new VmReport(InUse: true));

        var now = await deployment.FindVmAsync("vm-1");
        Assert.Equal(("/ is 97 % full", true), (now.Warnings["disk"], now.Free));
        await vm.ReportAsync(new VmReport(Gpu: GpuHealth.Unhealthy));
        Assert.Contains("(No devices were found)", Assert.Single((await deployment.FindVmAsync("vm-1")).NotFreeBecause).Text,
            StringComparison.Ordinal);

        await vm.ReportAsync(new VmReport(Warnings: new Dictionary<string, string?> { ["disk"] = null, ["gpu"] = "No devices were found" }));
        Assert.Equal("gpu", Assert.Single((await deployment.FindVmAsync("vm-1")).Warnings).Key);
        var detail = (await deployment.EventsAsync("action=reported&order=desc&limit=1"))[0].Detail;
        Assert.Equal("/ is 97 % full", detail.GetProperty("before").GetProperty("warnings").GetProperty("disk").GetString());
        await vm.ReportAsync(new VmReport(Warnings: new Dictionary<string, string?>()));
        Assert.Empty((await deployment.FindVmAsync("vm-1")).Warnings);
    }

    [Fact]
    public async Task List_is_paged_and_filtered()
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 25).Select(i => $"vm-{i:D2}")]);
        await deployment.ExecuteAsync("update vms set hold = 'held' where hostname in ('vm-03', 'vm-04')");

        var seen = new List<string>();
        string? after = null;
        do
        {
            var page = (await deployment.Admin.GetFromJsonAsync<Page<Vm>>($"/vms?limit=10{(after is null ? "" : "&after=" + after)}"))!;
            Assert.InRange(page.Items.Count, 1, 10);
            seen.AddRange(page.Items.Select(vm => vm.Hostname));
            after = page.Next;
        }
        while (after is not null);
        Assert.Equal(Enumerable.Range(1, 25).Select(i => $"vm-{i:D2}"), seen);

        var held = (await deployment.Admin.GetFromJsonAsync<Page<Vm>>("/vms?state=held&pool=default"))!;
        Assert.Equal(["vm-03", "vm-04"], held.Items.Select(vm => vm.Hostname));
    }

    [Fact]
    public async Task Filters_of_the_list_work_alone_and_combined()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vms = await deployment.EnrolFreeAsync("lab-1", "lab-2", "lab-3", "vm-4", "vm-5");
        await deployment.AskAsync("ada@example.org");
        await vms[0].PollUntilAsync(VmState.Assigned);
        await deployment.AskAsync("grace@example.org");
        await vms[1].PollUntilAsync(VmState.Assigned);
        await vms[1].ReportAsync(Outcome.Connected);
        await vms[2].ReportAsync(new VmReport(VmStatus.Error, GpuHealth.Unhealthy));
        await deployment.DoAsync("/vms/vm-4/hold");
        await deployment.ExecuteAsync("update vms set lost_at = clock() where hostname = 'vm-4'");

        Assert.Equal(["lab-1"], await ListAsync("assignment=assigned"));
        Assert.Equal(["lab-2"], await ListAsync("assignment=connected"));
        Assert.Equal(["lab-3", "vm-4", "vm-5"], await ListAsync("assignment=none"));
        Assert.Equal(["lab-3"], await ListAsync("status=error"));
        Assert.Equal(["lab-3"], await ListAsync("gpu=unhealthy"));
        Assert.Equal(["vm-4"], await ListAsync("hold=held"));
        Assert.Equal(["vm-4"], await ListAsync("presence=lost"));
        Assert.Equal(["vm-5"], await ListAsync("free=true"));
        Assert.Equal(["lab-1", "lab-2", "lab-3"], await ListAsync("text=LAB-"));
        Assert.Equal(["lab-2"], await ListAsync("text=grace@"));
        Assert.Equal(["lab-3"], await ListAsync("text=lab&assignment=none&presence=present&status=error&pool=default"));
        Assert.Empty(await ListAsync("text=lab&free=true"));
        await vms[4].ReportAsync(new VmReport(InUse: true));
        await vms[1].ReportAsync(new VmReport(InUse: false));
        Assert.Equal(["vm-5"], await ListAsync("inUse=true"));
        Assert.Equal(["lab-2"], await ListAsync("inUse=false"));
        var selected = await deployment.DoAsync<Touched<TouchedVm>>("/vms/drain", new { inUse = true, dryRun = true });
        Assert.Equal(["vm-5"], selected.Items.Select(vm => vm.Hostname));
        using var invalid = await deployment.Admin.GetAsync(new Uri("/vms?inUse=often", UriKind.Relative));
        Assert.Contains("""{"inUse":["Must be true or false."]}""", await invalid.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        // All reasons are listed together, each as text and as a code.
        await deployment.DoAsync("/vms/lab-3/hold");
        Assert.Equal(["held", "error", "gpu_unhealthy"], (await deployment.FindVmAsync("lab-3")).NotFreeBecause.Select(reason => reason.Code));
        Assert.All((await deployment.FindVmAsync("vm-4")).NotFreeBecause, reason => Assert.NotEmpty(reason.Text));

        async Task<IEnumerable<string>> ListAsync(string query) =>
            (await deployment.Admin.GetFromJsonAsync<Page<Vm>>($"/vms?{query}"))!.Items.Select(vm => vm.Hostname);
    }

    [Fact]
    public async Task Pool_counts_its_vms_and_its_queue()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vms = await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 6).Select(i => $"vm-{i}")]);
        var people = new List<Assignment>();
        foreach (var vm in vms[..3])
        {
            people.Add(await deployment.AskAsync($"{vm.Hostname}@example.org"));
            await vm.PollUntilAsync(VmState.Assigned);
        }
        await vms[0].ReportAsync(Outcome.Connected);
        await deployment.EndAsync(people[2].Id);
        await vms[3].ReportAsync(new VmReport(Gpu: GpuHealth.Unhealthy));
        await deployment.ExecuteAsync("update vms set hold = 'held' where hostname in ('vm-5', 'vm-6')");
        await deployment.AskAsync("waits@example.org");
        await deployment.MoveClockAsync(TimeSpan.FromSeconds(30));

        var pool = (await deployment.Admin.GetFromJsonAsync<Pool>("/pools/default"))!;

        Assert.Equal(new PoolVms(Total: 6, Free: 0, Assigned: 1, Connected: 1, Cleaning: 1, Unready: 3, Lost: 0, GpuUnhealthy: 1, Held: 2), pool.Vms);
        Assert.Equal(
            [("assigned", 2L), ("cleaning", 1L), ("held", 2L), ("gpu_unhealthy", 1L)],
            pool.NotFree.Select(reason => (reason.Code, reason.Vms)));
        Assert.Equal(1, pool.Waiting);
        Assert.InRange(pool.LongestWaitSeconds!.Value, 30, 60);
        Assert.StartsWith("0 free, 2 assigned, 1 cleaning, 0 lost, 1 GPU unhealthy, 2 held; 1 waiting, longest 3", pool.Summary,
            StringComparison.Ordinal);
        Assert.Equal("default", Assert.Single((await deployment.Admin.GetFromJsonAsync<Pool[]>("/pools"))!).Name);
    }

    [Fact]
    public async Task Admin_list_of_assignments_is_filtered_and_shows_no_pins()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var connected = await deployment.AskAsync("ada@example.org", command: "--code=4/0A");
        await vm.PollUntilAsync(VmState.Assigned);
        await vm.ReportAsync(Outcome.Connected);
        var waiting = await deployment.AskAsync("grace@example.org");

        var all = (await deployment.Admin.GetFromJsonAsync<Page<Assignment>>("/assignments"))!;
        Assert.Equal([connected.Id, waiting.Id], all.Items.Select(assignment => assignment.Id));
        Assert.All(all.Items, assignment => Assert.Null(assignment.Pin));
        Assert.NotNull((await deployment.FindAsync(connected.Id)).Pin);
        var first = (await deployment.Admin.GetFromJsonAsync<Page<Assignment>>("/assignments?limit=1"))!;
        Assert.Equal(waiting.Id,
            Assert.Single((await deployment.Admin.GetFromJsonAsync<Page<Assignment>>($"/assignments?after={first.Next}"))!.Items).Id);
        Assert.Equal(waiting.Id,
            Assert.Single((await deployment.Admin.GetFromJsonAsync<Page<Assignment>>("/assignments?state=waiting&pool=default"))!.Items).Id);
        foreach (var query in new[] { "hostname=VM-1", "email=ADA@example.org", "text=vm-1", "text=Ada", "state=connected" })
        {
            Assert.Equal(connected.Id, Assert.Single((await deployment.Admin.GetFromJsonAsync<Page<Assignment>>($"/assignments?{query}"))!.Items).Id);
        }
        Assert.Equal(1, (await deployment.Admin.GetFromJsonAsync<Page<Assignment>>("/assignments?state=waiting"))!.Items[0].Position);
    }
}
