using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Web;

/// <summary>Each invalid input gets its own problem, and none of it changes anything.</summary>
public sealed class BadInputTests(BadInputTests.OneDeployment one) : IClassFixture<BadInputTests.OneDeployment>
{
    private static readonly string A64 = new('a', 64);
    private readonly Deployment _deployment = one.Deployment;
    private readonly TestVm _vm = one.Vm;

    public static TheoryData<string, string, int, string, string?> Bodies => new()
    {
        // path, body, status, type, field
        { "/vms", "", 400, "not-json", null },
        { "/vms", "null", 400, "not-json", null },
        { "/vms", "{", 400, "not-json", null },
        { "/vms", "hello", 400, "not-json", null },
        { "/vms", "[]", 400, "not-json", null },
        { "/vms", "{}", 400, "invalid", "hostname" },
        { "/vms", """{"hostname":"vm-3"}""", 400, "invalid", "machineId" },
        { "/vms", """{"hostname":7,"machineId":"m"}""", 400, "invalid", "hostname" },
        { "/vms", """{"hostname":"vm_3","machineId":"m"}""", 400, "invalid", "hostname" },
        { "/vms", """{"hostname":"-vm","machineId":"m"}""", 400, "invalid", "hostname" },
        { "/vms", """{"hostname":"vm..3","machineId":"m"}""", 400, "invalid", "hostname" },
        { "/vms", """{"hostname":"vm-3\n","machineId":"m"}""", 400, "invalid", "hostname" },
        { "/vms", """{"hostname":"vm 3; drop table vms","machineId":"m"}""", 400, "invalid", "hostname" },
        { "/vms", $$"""{"hostname":"{{A64}}","machineId":"m"}""", 400, "invalid", "hostname" },
        { "/vms", $$"""{"hostname":"{{string.Join('.', Enumerable.Repeat("abc", 64))}}","machineId":"m"}""", 400, "invalid", "hostname" },
        { "/vms", """{"hostname":"vm-3","machineId":"m m"}""", 400, "invalid", "machineId" },
        { "/vms", """{"hostname":"vm-3","machineId":"m\u0000"}""", 400, "invalid", "machineId" },
        { "/vms", """{"hostname":"vm-3","machineId":"m","pool":"No Such"}""", 400, "invalid", "pool" },
        { "/vms", """{"hostname":"vm-3","machineId":"m","pool":"nosuch"}""", 404, "unknown-pool", null },
        { "/vms", """{"hostname":"vm-3","machineId":"m","metadata":{"k":"\u0000"}}""", 400, "invalid", "metadata" },
        { "/vms", """{"hostname":"vm-3","machineId":"m","metadata":{"k":"\u009b2J"}}""", 400, "invalid", "metadata" },
        { "/vms", """{"hostname":"vm-3","machineId":"m","metadata":{"k":"\u2028"}}""", 400, "invalid", "metadata" },
        { "/vms", """{"hostname":"vm-3","machineId":"m","metadata":{"\u2066k":"v"}}""", 400, "invalid", "metadata" },
        { "/vms", """{"hostname":"vm-3","machineId":"m","metadata":{"k":null}}""", 400, "invalid", "metadata" },
        { "/vms", """{"hostname":"vm-3","machineId":"m","metadata":{"k":1}}""", 400, "invalid", "metadata.k" },
        { "/vms", """{"hostname":"vm-3","machineId":"m","metadata":[1]}""", 400, "invalid", "metadata" },
        { "/vms", """{"hostname":"vm-1","machineId":"another"}""", 409, "machine-conflict", null },
        { "/assignments", "{}", 400, "invalid", "email" },
        { "/assignments", """{"email":null}""", 400, "invalid", "email" },
        { "/assignments", """{"email":["ada@example.org"]}""", 400, "invalid", "email" },
        { "/assignments", """{"email":"ada"}""", 400, "invalid", "email" },
        { "/assignments", """{"email":"ada@"}""", 400, "invalid", "email" },
        { "/assignments", """{"email":"ada@example"}""", 400, "invalid", "email" },
        { "/assignments", """{"email":"ada@example.org\r\nBcc: x@y.z"}""", 400, "invalid", "email" },
        { "/assignments", """{"email":"a b@example.org"}""", 400, "invalid", "email" },
        { "/assignments", """{"email":"<script>@example.org"}""", 400, "invalid", "email" },
        { "/assignments", """{"email":"ada\u0000@example.org"}""", 400, "invalid", "email" },
        { "/assignments", """{"email":"ada\u001b[2J@example.org"}""", 400, "invalid", "email" },
        { "/assignments", """{"email":"ada\u202egro@example.org"}""", 400, "invalid", "email" },
        { "/assignments", """{"email":"\"ada\"@example.org"}""", 400, "invalid", "email" },
        { "/assignments", """{"email":"`ada`@example.org"}""", 400, "invalid", "email" },
        { "/assignments", """{"email":"ada\ud800@example.org"}""", 400, "invalid", "email" },
        { "/assignments", $$"""{"email":"{{A64}}{{A64}}{{A64}}{{A64}}@example.org"}""", 400, "invalid", "email" },
        { "/assignments", """{"email":"ada@example.org","pool":"nosuch"}""", 404, "unknown-pool", null },
        { "/assignments", """{"email":"ada@example.org","pool":"closed"}""", 409, "pool-closed", null },
        { "/assignments", """{"email":"ada@example.org","pool":"guarded"}""", 403, "wrong-access-code", null },
        { "/assignments", """{"email":"ada@example.org","pool":"guarded","accessCode":"Sesame"}""", 403, "wrong-access-code", null },
        { "/assignments", """{"email":"ada@example.org","pool":"guarded","accessCode":"\u0000"}""", 400, "invalid", "accessCode" },
        { "/assignments", """{"email":"ada@example.org","pool":"guarded","accessCode":"\u202e"}""", 400, "invalid", "accessCode" },
        { "/assignments", """{"email":"ada@example.org","command":"rm -rf /"}""", 400, "invalid", "command" },
        { "/assignments", """{"email":"ada@example.org","command":"--code=\"4/0A;reboot\""}""", 400, "invalid", "command" },
        { "/assignments", """{"email":"ada@example.org","command":"--code=\"4/0A$(reboot)\""}""", 400, "invalid", "command" },
        { "/assignments", """{"email":"ada@example.org","command":"--code=\"4/0A`reboot`\""}""", 400, "invalid", "command" },
        { "/assignments", """{"email":"ada@example.org","command":"--code=\"4/0A\" --code=\"4/0B\""}""", 400, "invalid", "command" },
        { "/assignments", """{"email":"ada@example.org","command":"--code=\"\""}""", 400, "invalid", "command" },
        { "/assignments", """{"email":"ada@example.org","command":{"code":"4/0A"}}""", 400, "invalid", "command" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Invalid_body_is_refused_by_field_and_leaves_nothing_behind(string path, string body, int status, string type, string? field)
    {
        var before = await RowsAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
            Headers = { Authorization = new AuthenticationHeaderValue("Bearer", Replica.EnrolmentToken) },
        };
        using var response = await _deployment.Person.SendAsync(request);

        await AssertProblemAsync(response, status, type, field);
        Assert.Equal(before, await RowsAsync());
    }

    public static TheoryData<string, string, int, string, string?> VmBodies => new()
    {
        { "/assignment/vm-1/outcome", "{}", 400, "invalid", "generation" },
        { "/assignment/vm-1/outcome", """{"generation":1}""", 400, "invalid", "outcome" },
        { "/assignment/vm-1/outcome", """{"generation":0,"outcome":"connected"}""", 400, "invalid", "generation" },
        { "/assignment/vm-1/outcome", """{"generation":1.5,"outcome":"connected"}""", 400, "invalid", "generation" },
        { "/assignment/vm-1/outcome", """{"generation":99999999999999999999,"outcome":"connected"}""", 400, "invalid", "generation" },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":"done"}""", 400, "invalid", "outcome" },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":0}""", 400, "invalid", "outcome" },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":"connected","connectUrl":"javascript:alert(1)"}""", 400, "invalid", "connectUrl" },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":"connected","connectUrl":"/desktop"}""", 400, "invalid", "connectUrl" },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":"connected","connectUrl":"https://google.com@evil.example/"}""", 400, "invalid",
            "connectUrl" },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":"clean","connectUrl":"https://vm-1.example.org/"}""", 400, "invalid",
            "connectUrl" },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":"connected","connectUrl":"http://vm-1.example.org/"}""", 400, "invalid",
            "connectUrl" },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":"connected","connectUrl":"https:/\\evil.example/"}""", 400, "invalid",
            "connectUrl" },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":"connected","connectUrl":"https://a.example/?\"x"}""", 400, "invalid",
            "connectUrl" },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":"connected","connectUrl":"https://a.example/<script>"}""", 400, "invalid",
            "connectUrl" },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":"connected","connectUrl":"https://a.example/\u202egro"}""", 400, "invalid",
            "connectUrl" },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":"failed","detail":"\u0000"}""", 400, "invalid", "detail" },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":"connected"}""", 409, "generation-over", null },
        { "/assignment/vm-1/outcome", """{"generation":1,"outcome":"clean"}""", 409, "generation-over", null },
        { "/assignment/vm-2/outcome", """{"generation":1,"outcome":"clean"}""", 403, "token-of-another-vm", null },
        { "/vms/vm-1/report", """{"status":"asleep"}""", 400, "invalid", "status" },
        { "/vms/vm-1/report", """{"gpu":true}""", 400, "invalid", "gpu" },
        { "/vms/vm-1/report", """{"inUse":"yes"}""", 400, "invalid", "inUse" },
        { "/vms/vm-1/report", """{"bootId":"a b"}""", 400, "invalid", "bootId" },
        { "/vms/vm-1/report", """{"startup":{"boot":-1}}""", 400, "invalid", "startup" },
        { "/vms/vm-1/report", """{"startup":{"boot":"fast"}}""", 400, "invalid", "startup.boot" },
        { "/vms/vm-1/report", """{"warnings":{"disk":7}}""", 400, "invalid", "warnings.disk" },
        { "/vms/vm-1/report", """{"warnings":{"disk":"\u0000"}}""", 400, "invalid", "warnings" },
        { "/vms/vm-1/report", """{"warnings":{"disk":"\u001b]52;c;\u0007"}}""", 400, "invalid", "warnings" },
        { "/vms/vm-1/report", """{"warnings":{"disk":"\u202efull"}}""", 400, "invalid", "warnings" },
        { "/vms/vm-1/report", """{"startup":{"\u200fboot":1}}""", 400, "invalid", "startup" },
        { "/vms/vm-1/report", $$$"""{"warnings":{"disk":"{{{new string('a', 501)}}}"}}""", 400, "invalid", "warnings" },
        { "/vms/vm-2/report", """{"status":"error"}""", 403, "token-of-another-vm", null },
    };

    [Theory]
    [MemberData(nameof(VmBodies))]
    public async Task Invalid_body_of_a_vm_is_refused_by_field_and_changes_nothing(string path, string body, int status, string type, string? field)
    {
        var before = await RowsAsync();
        using var response = await _vm.SendAsync(HttpMethod.Put, path, new StringContent(body, Encoding.UTF8, "application/json"));

        await AssertProblemAsync(response, status, type, field);
        Assert.Equal(before, await RowsAsync());
    }

    [Fact]
    public async Task Refusals_name_the_accepted_values()
    {
        using var status = await _vm.SendAsync(HttpMethod.Put, "/vms/vm-1/report", JsonContent.Create(new { status = "asleep" }));
        Assert.Equal("Must be one of initializing, running, error, rebooting.",
            (await ReadAsync(status))["errors"]!["status"]![0]!.GetValue<string>());
        using var email = await _deployment.Person.PostAsJsonAsync("/assignments", new { email = 5 });
        Assert.Equal("Must be a string.", (await ReadAsync(email))["errors"]!["email"]![0]!.GetValue<string>());
        using var generation = await _vm.SendAsync(HttpMethod.Put, "/assignment/vm-1/outcome", JsonContent.Create(new { generation = "one" }));
        Assert.Equal("Must be a whole number.", (await ReadAsync(generation))["errors"]!["generation"]![0]!.GetValue<string>());
        using var syntax =
            await _deployment.Person.PostAsync("/assignments", new StringContent("{\n \"email\": ada }", Encoding.UTF8, "application/json"));
        Assert.Equal("Invalid JSON at line 2, byte 11.", (await ReadAsync(syntax))["detail"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("vm-1", null, 401, "vm-token-needed")]
    [InlineData("vm-1", "Basic YTpi", 401, "vm-token-needed")]
    [InlineData("vm-1", "Bearer ", 401, "vm-token-needed")]
    [InlineData("vm-1", "Bearer x", 401, "vm-token-wrong")]
    [InlineData("vm-1", "Bearer vm-1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 401, "vm-token-wrong")]
    [InlineData("vm-1", "Bearer vm-2.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 401, "vm-token-wrong")]
    [InlineData("vm-1", "Bearer enrolment-token-of-the-tests", 401, "vm-token-wrong")]
    [InlineData("vm-9", "Bearer vm-9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 404, "unknown-vm")]
    [InlineData("vm_1", "Bearer x", 400, "malformed-hostname")]
    [InlineData("..%2Fvms", "Bearer x", 400, "malformed-hostname")]
    [InlineData("%F0%9F%92%A9", "Bearer x", 400, "malformed-hostname")]
    public async Task Invalid_poll_is_refused_with_the_reason(string hostname, string? authorization, int status, string type)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/assignment/{hostname}");
        request.Headers.TryAddWithoutValidation("Authorization", authorization);
        using var response = await _deployment.Person.SendAsync(request);
        await AssertProblemAsync(response, status, type, null);
    }

    [Fact]
    public async Task Poll_with_another_vms_token_is_forbidden()
    {
        using var response = await _vm.SendAsync(HttpMethod.Get, "/assignment/vm-2");
        await AssertProblemAsync(response, 403, "token-of-another-vm", null);
    }

    [Fact]
    public async Task Over_long_hostnames_and_tokens_are_refused()
    {
        using var longName = await _vm.SendAsync(HttpMethod.Get, "/assignment/" + string.Join('.', Enumerable.Repeat(A64[..60], 5)));
        await AssertProblemAsync(longName, 400, "malformed-hostname", null);
        using var longToken = await new TestVm(_deployment, "vm-1", new string('a', 5000)).SendAsync(HttpMethod.Get, "/assignment/vm-1");
        await AssertProblemAsync(longToken, 401, "vm-token-wrong", null);
    }

    [Fact]
    public async Task Body_that_is_too_large_or_of_another_kind_is_refused()
    {
        var tooLarge = JsonContent.Create(new { email = "ada@example.org", command = new string('x', 20_000) });
        using var large = await _deployment.Person.PostAsync("/assignments", tooLarge);
        await AssertProblemAsync(large, 413, "body-too-large", null);
        using var form = await _deployment.Person.PostAsync("/assignments", new FormUrlEncodedContent([new("email", "ada@example.org")]));
        await AssertProblemAsync(form, 415, "not-json", null);
    }

    [Theory]
    [InlineData("/assignments/not-an-id", 404)]
    [InlineData("/assignments/00000000-0000-0000-0000-000000000000", 404)]
    [InlineData("/nothing/here", 404)]
    public async Task Unknown_path_is_answered_with_a_problem(string path, int status)
    {
        using var response = await _deployment.Person.GetAsync(path);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    [Theory]
    [InlineData("/vms?limit=0", "limit")]
    [InlineData("/vms?limit=1001", "limit")]
    [InlineData("/vms?limit=ten", "limit")]
    [InlineData("/vms?pool=No+Such", "pool")]
    [InlineData("/vms?pool=%00", "pool")]
    [InlineData("/vms?after=%00", "after")]
    [InlineData("/vms?state=gone", "state")]
    [InlineData("/vms?state=1", "state")]
    [InlineData("/vms?state=free,assigned", "state")]
    [InlineData("/vms?state=+free", "state")]
    [InlineData("/assignments?state=waiting,connected", "state")]
    [InlineData("/vms?status=gone", "status")]
    [InlineData("/vms?presence=away", "presence")]
    [InlineData("/vms?hold=on", "hold")]
    [InlineData("/vms?assignment=some", "assignment")]
    [InlineData("/vms?free=maybe", "free")]
    [InlineData("/vms?text=", "text")]
    [InlineData("/vms?text=%00", "text")]
    [InlineData("/vms?text=%E2%80%AE", "text")]
    [InlineData("/enrolment-tokens?hostname=vm_1", "hostname")]
    [InlineData("/enrolment-tokens?after=x", "after")]
    [InlineData("/assignments?hostname=vm_1", "hostname")]
    [InlineData("/assignments?email=", "email")]
    [InlineData("/assignments?after=x", "after")]
    [InlineData("/assignments?state=gone", "state")]
    public async Task List_parameters_are_validated(string path, string field)
    {
        using var response = await _deployment.Admin.GetAsync(path);
        await AssertProblemAsync(response, 400, "invalid", field);
    }

    [Theory]
    [InlineData("/vms/hold", "{}", 400, "invalid", "all")]
    [InlineData("/vms/hold", "null", 400, "not-json", null)]
    [InlineData("/vms/hold", """{"state":"gone","all":true}""", 400, "invalid", "state")]
    [InlineData("/vms/drain", """{"pool":"No Such"}""", 400, "invalid", "pool")]
    [InlineData("/vms/release", """{"hostnames":[]}""", 400, "invalid", "hostnames")]
    [InlineData("/vms/release", """{"text":""}""", 400, "invalid", "text")]
    [InlineData("/vms/release", """{"dryRun":"yes","all":true}""", 400, "invalid", "dryRun")]
    [InlineData("/vms/vm-1/assign", "{}", 400, "invalid", "email")]
    [InlineData("/vms/vm-1/assign", """{"email":"ada@example.org","command":"rm -rf /"}""", 400, "invalid", "command")]
    [InlineData("/vms/release", """{"state":"free,assigned"}""", 400, "invalid", "state")]
    [InlineData("/assignments/release", """{"ids":["x"]}""", 400, "invalid", "ids[0]")]
    [InlineData("/assignments/release", """{"state":"waiting,connected"}""", 400, "invalid", "state")]
    [InlineData("/assignments/release", """{"state":" waiting"}""", 400, "invalid", "state")]
    [InlineData("/assignments/release", """{"state":2}""", 400, "invalid", "state")]
    [InlineData("/assignments/release", """{"hostname":"vm_1"}""", 400, "invalid", "hostname")]
    [InlineData("/assignments/00000000-0000-0000-0000-000000000000/move", """{"hostname":7}""", 400, "invalid", "hostname")]
    [InlineData("/assignments/00000000-0000-0000-0000-000000000000/move", """{"from":"vm_1"}""", 400, "invalid", "from")]
    [InlineData("/assignments/00000000-0000-0000-0000-000000000000/extend", """{"by":"-01:00:00"}""", 400, "invalid", "by")]
    [InlineData("PUT /pools/x", """{"opensAt":"2026-01-01T00:00:00"}""", 400, "invalid", "opensAt")]
    [InlineData("PUT /pools/x", """{"opensAt":"soon"}""", 400, "invalid", "opensAt")]
    [InlineData("PUT /pools/x", """{"duration":"00:00:01"}""", 400, "invalid", "duration")]
    [InlineData("PUT /pools/x", """{"duration":3600}""", 400, "invalid", "duration")]
    [InlineData("PUT /pools/x", """{"warning":"00:10:00"}""", 400, "invalid", "warning")]
    [InlineData("PUT /pools/x", """{"emailDomains":[]}""", 400, "invalid", "emailDomains")]
    [InlineData("PUT /pools/x", """{"mostPerAddress":0}""", 400, "invalid", "mostPerAddress")]
    [InlineData("PUT /pools/x", """{"moveWhenLost":"no"}""", 400, "invalid", "moveWhenLost")]
    [InlineData("/enrolment-tokens", "null", 400, "not-json", null)]
    [InlineData("/enrolment-tokens", """{"pool":"No Such"}""", 400, "invalid", "pool")]
    [InlineData("/enrolment-tokens", """{"pool":"nosuch"}""", 404, "unknown-pool", null)]
    [InlineData("/enrolment-tokens", """{"hostname":"vm_1"}""", 400, "invalid", "hostname")]
    [InlineData("/enrolment-tokens", """{"uses":0}""", 400, "invalid", "uses")]
    [InlineData("/enrolment-tokens", """{"uses":1001}""", 400, "invalid", "uses")]
    [InlineData("/enrolment-tokens", """{"uses":"many"}""", 400, "invalid", "uses")]
    [InlineData("/enrolment-tokens", """{"count":1001}""", 400, "invalid", "count")]
    [InlineData("/enrolment-tokens", """{"validFor":"00:00:10"}""", 400, "invalid", "validFor")]
    [InlineData("/enrolment-tokens", """{"validFor":"01:00:00","expiresAt":"2199-01-01T00:00:00Z"}""", 400, "invalid", "validFor")]
    [InlineData("/enrolment-tokens", """{"expiresAt":"2199-01-01T00:00:00"}""", 400, "invalid", "expiresAt")]
    [InlineData("/enrolment-tokens", """{"expiresAt":"2020-01-01T00:00:00Z"}""", 400, "invalid", "expiresAt")]
    [InlineData("PUT /pools/No%20Such", "{}", 400, "invalid", "pool")]
    public async Task Admin_bodies_are_validated(string call, string body, int status, string type, string? field)
    {
        var words = call.Split(' ');
        using var request = new HttpRequestMessage(words.Length == 2 ? HttpMethod.Put : HttpMethod.Post, words[^1])
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        using var response = await _deployment.Admin.SendAsync(request);
        await AssertProblemAsync(response, status, type, field);
    }

    [Theory]
    [InlineData("/vms/vm-9", "unknown-vm")]
    [InlineData("/pools/nosuch", "unknown-pool")]
    [InlineData("/pools/No%20Such", "unknown-pool")]
    public async Task Missing_resource_of_an_admin_request_is_named(string path, string type)
    {
        using var response = await _deployment.Admin.GetAsync(path);
        await AssertProblemAsync(response, 404, type, null);
    }

    private static async Task AssertProblemAsync(HttpResponseMessage response, int status, string type, string? field)
    {
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(status == (int)response.StatusCode, $"{(int)response.StatusCode} {text}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = JsonNode.Parse(text)!;
        Assert.Equal("urn:allocator:problem:" + type, problem["type"]!.GetValue<string>());
        Assert.Equal(status, problem["status"]!.GetValue<int>());
        Assert.NotEmpty(problem["detail"]!.GetValue<string>());
        if (field is not null)
        {
            Assert.True(problem["errors"]?[field] is not null, text);
        }
        if (status == 401)
        {
            Assert.NotEmpty(response.Headers.WwwAuthenticate);
        }
    }

    private static async Task<JsonNode> ReadAsync(HttpResponseMessage response) => JsonNode.Parse(await response.Content.ReadAsStringAsync())!;

    /// <summary>One deployment for all these tests: none of them changes it.</summary>
    public sealed class OneDeployment(PostgresServer server) : IAsyncLifetime
    {
        internal Deployment Deployment { get; private set; } = null!;

        internal TestVm Vm { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Deployment = await Deployment.StartAsync(server);
            Vm = (await Deployment.EnrolFreeAsync("vm-1"))[0];
            await Deployment.EnrolFreeAsync("vm-2");
            (await Deployment.Admin.PutAsJsonAsync("/pools/closed", new PoolSettings(Open: false))).EnsureSuccessStatusCode();
            (await Deployment.Admin.PutAsJsonAsync("/pools/guarded", new PoolSettings(AccessCode: "sesame"))).EnsureSuccessStatusCode();
        }

        public ValueTask DisposeAsync() => Deployment.DisposeAsync();
    }

    /// <summary>Returns everything that a request could have changed.</summary>
    private Task<string> RowsAsync() => _deployment.QueryAsync<string>(
        """
        select (select count(*) from vms) || ' ' || (select string_agg(hostname || revision || status, ',' order by hostname) from vms)
            || ' ' || (select count(*) from assignments) || ' ' || (select count(*) from liveness) || ' ' || (select count(*) from events)
            || ' ' || (select count(*) from enrolment_tokens)
        """);
}
