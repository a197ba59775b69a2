using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Allocator.Client.Terminal;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Client.Admin;

public sealed class AdminCommandTests(PostgresServer server)
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    [Theory]
    [InlineData("vms list", "/vms", "vm-2")]
    [InlineData("vms list --free false", "/vms?free=false", "vm-2")]
    [InlineData("vms list --in-use true --presence present", "/vms?inUse=true&presence=present", "vm-1")]
    [InlineData("vms show vm-2", "/vms/vm-2", "(held)")]
    [InlineData("assignments list --state assigned", "/assignments?state=assigned", "ada@example.org")]
    [InlineData("pools list", "/pools", "default")]
    [InlineData("pools show default", "/pools/default", "(held)")]
    [InlineData("events list --newest", "/events?order=desc&limit=1000", "vm_held")]
    public async Task Command_shows_a_table_or_with_json_the_body_of_the_api(string command, string path, string shown)
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var admin = new AdminTerminal(deployment);
        var vms = await deployment.EnrolFreeAsync("vm-1", "vm-2");
        await deployment.AskAsync("ada@example.org");
        await vms[0].PollUntilAsync(VmState.Assigned);
        await deployment.DoAsync("/vms/vm-2/hold");
        await vms[0].ReportAsync(new VmReport(InUse: true));

        var table = await admin.RunAsync(command);
        Assert.Equal((0, table.Printed), (table.Code, table.Output));
        Assert.Contains(shown, table.Printed, StringComparison.Ordinal);
        // The VM's first poll may be written between the two requests.
        await Wait.UntilAsync(
            async () => await deployment.Admin.GetStringAsync(path) == (await admin.RunAsync($"{command} --json")).Printed, "both show the same");
    }

    [Fact]
    public async Task Lists_follow_pages_up_to_the_limit()
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var admin = new AdminTerminal(deployment);
        await deployment.ExecuteAsync(
            "insert into events (actor, action, hostname) select 'admin:admin', 'test', 'vm-' || i from generate_series(1, 2500) i");

        var all = await admin.RunAsync("events list --action test --limit 5000 --json");
        var page = JsonSerializer.Deserialize(all.Printed, WireJson.Default.PageEventRecord)!;
        Assert.Equal((2_500, null), (page.Items.Select(one => one.Id).Distinct().Count(), page.Next));

        var some = await admin.RunAsync("events list --action test --limit 1200 --json");
        page = JsonSerializer.Deserialize(some.Printed, WireJson.Default.PageEventRecord)!;
        Assert.Equal((1_200, false), (page.Items.Count, page.Next is null));
        Assert.Contains("Showing the first 1,200", some.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bulk_change_has_a_dry_run_and_changes_nothing_if_a_vm_is_unknown()
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var admin = new AdminTerminal(deployment);
        await deployment.EnrolFreeAsync("vm-1", "vm-2", "vm-3");

        Assert.Contains("3 VMs would be changed.", (await admin.RunAsync("vms hold --pool default --dry-run")).Printed, StringComparison.Ordinal);
        var misspelt = await admin.RunAsync("vms hold vm-1 vm-99");
        Assert.Equal((1, ""), (misspelt.Code, misspelt.Printed));
        Assert.Contains("No VM named vm-99 is enrolled", misspelt.Output, StringComparison.Ordinal);
        Assert.Null((await deployment.FindVmAsync("vm-1")).Hold);
        var forgotten = await admin.RunAsync("vms hold");
        Assert.Equal(1, forgotten.Code);
        Assert.Contains("all: Set `all` to true to select every VM", forgotten.Output, StringComparison.Ordinal);

        Assert.Contains("2 VMs changed.", (await admin.RunAsync("vms hold vm-1 vm-2")).Printed, StringComparison.Ordinal);
        var unheld = await admin.RunAsync("vms unhold --hold held --json");
        Assert.Equal("""{"dryRun":false,"count":2,"items":[{"hostname":"vm-1","email":null},{"hostname":"vm-2","email":null}]}""", unheld.Printed);
        Assert.Contains("3 VMs changed.", (await admin.RunAsync("vms drain --all")).Printed, StringComparison.Ordinal);
        Assert.Equal((0, "Deleted VM vm-3."), await admin.RunAsync("vms delete vm-3") is var deleted ? (deleted.Code, deleted.Printed) : default);
        Assert.Equal(1, (await admin.RunAsync("vms show vm-3")).Code);
    }

    [Fact]
    public async Task Person_is_assigned_moved_extended_and_released_by_address()
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var admin = new AdminTerminal(deployment);
        await deployment.EnrolFreeAsync("vm-1", "vm-2");

        Assert.Contains("vm-1", (await admin.RunAsync("vms assign vm-1 ada@example.org")).Printed, StringComparison.Ordinal);
        var moved = JsonSerializer.Deserialize(
            (await admin.RunAsync("assignments move ADA@example.org --to vm-2 --json")).Printed, WireJson.Default.Assignment)!;
        Assert.Equal(("vm-2", AssignmentState.Assigned), (moved.Hostname, moved.State));
        var full = await admin.RunAsync("assignments move ada@example.org --to vm-2 --from vm-9");
        Assert.Equal(0, full.Code);
        var extended = JsonSerializer.Deserialize(
            (await admin.RunAsync($"assignments extend {moved.Id} --until 2199-01-01T12:00:00Z --json")).Printed, WireJson.Default.Assignment)!;
        Assert.Equal(new DateTime(2199, 1, 1, 12, 0, 0, DateTimeKind.Utc), extended.ExpiresAt);

        var dryRun = await admin.RunAsync("assignments release ada@example.org --dry-run");
        Assert.Contains("1 assignment would be changed.", dryRun.Printed, StringComparison.Ordinal);
        Assert.Contains("1 assignment changed.", (await admin.RunAsync("assignments release ada@example.org")).Printed, StringComparison.Ordinal);
        var gone = await admin.RunAsync("assignments show ada@example.org");
        Assert.Equal(
            (1, "ada@example.org has no VM and is not queued. To see past assignments, run: allocator assignments list --email ada@example.org"),
            (gone.Code, gone.Output));
    }

    [Fact]
    public async Task Pool_keeps_settings_that_are_not_given()
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var admin = new AdminTerminal(deployment);

        var created = await admin.RunAsync(
            "pools set gpu --duration 02:00:00 --warning 00:10:00 --email-domain example.org --access-code-stdin", "sesame\n");
        Assert.Equal(0, created.Code);
        Assert.Equal(0, (await admin.RunAsync("pools set gpu --warning none --most-per-address 40")).Code);
        var pool = await deployment.FindPoolAsync("gpu");
        var settings = pool.Settings;
        Assert.Equal(
            (TimeSpan.FromHours(2), null, 40, true, "example.org"),
            (settings.Duration, settings.Warning, settings.MostPerAddress, pool.NeedsAccessCode, Assert.Single(settings.EmailDomains!)));

        var file = Path.Combine(admin.Home, "class.csv");
        await File.WriteAllTextAsync(file, "ada@example.org\ngrace@example.org\n");
        Assert.Equal("""{"people":2}""", (await admin.RunAsync($"pools roster gpu --set {file} --json")).Printed);
        Assert.Contains("grace@example.org", (await admin.RunAsync("pools roster gpu")).Printed, StringComparison.Ordinal);
        Assert.Equal(0, (await admin.RunAsync("pools roster gpu --remove")).Code);
        Assert.Equal(0, (await deployment.FindPoolAsync("gpu")).Roster);
    }

    [Fact]
    public async Task Enrolment_token_is_printed_or_written_to_a_private_file_and_revoked()
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var admin = new AdminTerminal(deployment);

        var printed = await admin.RunAsync("enrolment-tokens create --hostname vm-7 --valid-for 02:00:00");
        Assert.Equal(0, printed.Code);
        Assert.Matches("^enrol_[A-Za-z0-9_-]{43}$", printed.Printed);
        var file = Path.Combine(admin.Home, "tokens.txt");
        await File.WriteAllTextAsync(file, "old token");
        var written = await admin.RunAsync($"enrolment-tokens create --uses 2 --count 2 --output {file}");
        Assert.Equal((0, ""), (written.Code, written.Printed));
        var tokens = await File.ReadAllLinesAsync(file);
        Assert.Equal(2, tokens.Length);
        Assert.Equal(Private, File.GetUnixFileMode(file));
        Assert.DoesNotContain(tokens[0], written.Output, StringComparison.Ordinal);
        Assert.Equal([file], Directory.GetFiles(admin.Home));

        using (var request = new HttpRequestMessage(HttpMethod.Post, "/vms"))
        {
            request.Content = JsonContent.Create(new EnrolmentRequest("vm-7", "machine-7"));
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", printed.Printed);
            using var enrolled = await deployment.Person.SendAsync(request);
            enrolled.EnsureSuccessStatusCode();
        }
        var list = JsonSerializer.Deserialize((await admin.RunAsync("enrolment-tokens list --json")).Printed, WireJson.Default.PageEnrolmentToken)!;
        Assert.Equal(
            [("vm-7", 0, "vm-7"), (null, 2, null), (null, 2, null)],
            list.Items.Select(token => (token.Hostname, token.UsesLeft, token.LastUsedBy)));
        Assert.Contains("0 of 1", (await admin.RunAsync("enrolment-tokens list --hostname vm-7")).Printed, StringComparison.Ordinal);
        Assert.Equal(0, (await admin.RunAsync($"enrolment-tokens delete {list.Items[1].Id}")).Code);
        Assert.Equal(1, (await admin.RunAsync($"enrolment-tokens delete {list.Items[1].Id}")).Code);

        // No token is created if the file cannot be written.
        var unwritable = await admin.RunAsync($"enrolment-tokens create --output {admin.Home}/no/such/folder");
        Assert.Equal(2, unwritable.Code);
        Assert.Contains("Cannot write", unwritable.Output, StringComparison.Ordinal);
        Assert.Equal(1, (await admin.RunAsync($"enrolment-tokens create --pool nowhere --output {file}")).Code);
        Assert.Equal(tokens, await File.ReadAllLinesAsync(file));
        Assert.Equal(2, await deployment.QueryAsync<long>("select count(*) from enrolment_tokens"));
    }

    [Fact]
    public async Task Watch_shows_a_pool_until_it_is_stopped()
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var admin = new AdminTerminal(deployment);
        await using var watch = admin.Start("watch --every 00:00:01 --json");
        await Wait.UntilAsync(() => watch.Printed.Contains("\"waiting\":0", StringComparison.Ordinal), "the pool is shown");
        await deployment.AskAsync("ada@example.org");
        await Wait.UntilAsync(() => watch.Printed.Contains("\"waiting\":1", StringComparison.Ordinal), "the queue is shown");
        Assert.Equal(0, await watch.StopAsync());
    }

    [Theory]
    [InlineData("vms", 2, "Required command was not provided")]
    [InlineData("vms list --state busy", 2, "--state must be one of free, assigned, cleaning, held, not 'busy'")]
    [InlineData("vms list --limit 0", 2, "--limit must be a number from 1")]
    [InlineData("enrolment-tokens create --uses many", 2, "--uses must be a number, not 'many'.")]
    [InlineData("enrolment-tokens delete 7", 2, "'7'")]
    [InlineData("pools set default --duration 30", 2, "--duration must be a time span, such as 02:00:00")]
    [InlineData("pools show nowhere", 1, "There is no such pool. Pool 'nowhere' does not exist.")]
    [InlineData("assignments extend 01980000-0000-7000-8000-000000000000 --by 00:30:00", 1, "There is no such assignment.")]
    [InlineData("assignments extend ada@example.org", 1, "Give --by or --until.")]
    [InlineData("assignments extend ada@example.org --by 15m --until 17:30", 1, "Give either --by or --until, not both.")]
    public async Task Error_is_on_standard_error_and_in_the_exit_code(string command, int code, string message)
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var admin = new AdminTerminal(deployment);
        var ran = await admin.RunAsync(command);
        Assert.Equal(code, ran.Code);
        Assert.Contains(message, ran.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(message, ran.Printed, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", ran.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Credentials_come_from_the_environment_or_from_a_private_file()
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var admin = new AdminTerminal();
        var url = deployment.Replica.Address;

        Assert.Equal(2, (await admin.RunAsync("pools list")).Code);
        admin.Environment["ALLOCATOR_Url"] = url.ToString();
        var none = await admin.RunAsync("pools list");
        Assert.Equal(4, none.Code);
        Assert.Contains(admin.CredentialsFile, none.Output, StringComparison.Ordinal);

        admin.Environment["ALLOCATOR_API_KEY"] = Replica.ApiKey;
        Assert.Equal(0, (await admin.RunAsync("pools list")).Code);
        admin.Environment["ALLOCATOR_API_KEY"] = "another";
        var wrong = await admin.RunAsync("pools list");
        Assert.Equal((4, true), (wrong.Code, wrong.Output.Contains("An admin's credentials are required", StringComparison.Ordinal)));

        admin.Environment["ALLOCATOR_API_KEY"] = admin.Environment["ALLOCATOR_Url"] = null;
        var json = $$"""{"url": "{{url}}", "adminUser": "admin", "adminPassword": "{{Replica.AdminPassword}}"}""";
        admin.WriteCredentials(json, Private);
        Assert.Equal(0, (await admin.RunAsync("pools list")).Code);
        foreach (var also in new[] { UnixFileMode.GroupRead, UnixFileMode.OtherRead })
        {
            admin.WriteCredentials(json, Private | also);
            var open = await admin.RunAsync("pools list");
            Assert.Equal(4, open.Code);
            Assert.Contains($"chmod 600 {admin.CredentialsFile}", open.Output, StringComparison.Ordinal);
            Assert.DoesNotContain(Replica.AdminPassword, open.Output, StringComparison.Ordinal);
        }
        admin.WriteCredentials("{", Private);
        Assert.Equal(4, (await admin.RunAsync("pools list")).Code);
    }

    [Fact]
    public async Task Unreachable_allocator_has_its_own_exit_code()
    {
        using var admin = new AdminTerminal();
        admin.Environment["ALLOCATOR_Url"] = "http://127.0.0.1:1";
        admin.Environment["ALLOCATOR_API_KEY"] = "key";
        var ran = await admin.RunAsync("pools list");
        Assert.Equal(3, ran.Code);
        Assert.Contains("Cannot reach the allocator", ran.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", ran.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("allocator vms li", "list")]
    [InlineData("allocator vms list --presence l", "lost")]
    [InlineData("allocator ev", "events")]
    [InlineData("allocator enrolment-tokens cr", "create")]
    [InlineData("allocator enrolment-tokens create --val", "--valid-for")]
    public async Task Bash_completes_commands_and_options(string line, string completed)
    {
        var allocator = Path.Combine(AppContext.BaseDirectory, "allocator");
        await using var bash = Executable.Start("/bin/bash", ["-c",
            $$"""
            source <({{allocator}} completion bash)
            COMP_LINE='{{line}}' COMP_POINT={{line.Length}} COMP_WORDS=({{line}}) COMP_CWORD={{line.Count(c => c == ' ')}}
            COMP_WORDS[0]={{allocator}}
            _allocator
            printf '%s\n' "${COMPREPLY[@]}"
            """], new Dictionary<string, string?>());
        Assert.Equal(0, await bash.WaitForExitAsync());
        Assert.Equal(completed, bash.Output);
    }

    [Fact]
    public async Task Help_has_examples_and_exit_codes()
    {
        using var admin = new AdminTerminal();
        var help = await admin.RunAsync("assignments move --help");
        Assert.Equal(0, help.Code);
        Assert.Contains("  allocator assignments move ada@example.org --to vm-9", help.Printed, StringComparison.Ordinal);
        Assert.Contains("  2    Wrong usage, or a wrong setting", (await admin.RunAsync("--help")).Printed, StringComparison.Ordinal);
    }

    [Fact]
    public void Exit_codes_are_the_same_in_the_code_and_in_the_documentation()
    {
        var page = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "cli.md"));
        var documented = page[page.IndexOf("## Exit codes", StringComparison.Ordinal)..].Split('\n')
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal));
        Assert.Equal(ExitCodes.All.Select(one => $"| {(int)one.Code} | {one.Meaning} |"), documented.Skip(1));
        Assert.Equal(Enum.GetValues<ExitCode>().Order(), ExitCodes.All.Select(one => one.Code).Order());
    }
}
