using System.Net;
using System.Net.Http.Json;
using Allocator.Contracts;
using Allocator.Tests.Client.Admin;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Security;

/// <summary>What a VM or a stranger writes neither commands a terminal nor misleads a browser or a spreadsheet.</summary>
public sealed class UntrustedTextTests(PostgresServer server)
{
    /// <summary>Sets the title, clears the screen, writes to the clipboard, and reverses the text that follows.</summary>
    private const string Hostile = "\u001b]0;owned\u0007\u001b[2J\u001b]52;c;cm0gLXJm\u001b\\ \u009b31m\u202egnp.exe";

    [Fact]
    public async Task Detail_of_a_failure_is_stored_without_what_commands_a_terminal()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);

        Assert.Equal(HttpStatusCode.NoContent, await vm.ReportAsync(Outcome.Failed, detail: "one\n\ttwo " + Hostile));

        Assert.Equal("one\n\ttwo ]0;owned[2J]52;c;cm0gLXJm\\ 31mgnp.exe", (await deployment.FindVmAsync("vm-1")).StatusDetail);
    }

    [Theory]
    [InlineData("vms show vm-1")]
    [InlineData("vms list")]
    [InlineData("assignments list")]
    [InlineData("assignments move 00000000-0000-0000-0000-000000000000")]
    public async Task Terminal_of_an_admin_gets_no_control_characters(string command)
    {
        await using var deployment = await Deployment.StartAsync(server);
        await deployment.EnrolFreeAsync("vm-1");
        await deployment.AskAsync("ada@example.org");
        // As an earlier version stored them.
        await deployment.ExecuteAsync(
            $"""
            update vms set status = 'error', status_detail = '{Hostile}', metadata = jsonb_build_object('k', '{Hostile}');
            update assignments set email = '{Hostile}'
            """);
        using var admin = new AdminTerminal(deployment);

        var shown = (await admin.RunAsync(command)).Output;

        Assert.DoesNotContain(shown, c => (char.IsControl(c) && c is not ('\n' or '\r' or '\t')) || c == '\u202e');
        if (command == "vms show vm-1")
        {
            Assert.Contains("\\u001B]52;c;cm0gLXJm", shown, StringComparison.Ordinal);
            Assert.Contains("\\u202Egnp.exe", shown, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("https://b\u00fccher.example/\u00e9?q=\u00e9#key", "https://xn--bcher-kva.example/%C3%A9?q=%C3%A9#key")]
    [InlineData("HTTPS://VM-1.Example.org:443/a/../b", "https://vm-1.example.org/b")]
    [InlineData("https://[2001:db8::1]:6080/", "https://[2001:db8::1]:6080/")]
    public async Task Link_to_a_desktop_is_stored_in_the_form_that_all_browsers_read_alike(string reported, string shown)
    {
        await using var deployment = await Deployment.StartAsync(server);
        var (vm, asked) = await AssignAsync(deployment);
        Assert.Equal(HttpStatusCode.NoContent, await vm.ReportAsync(Outcome.Connected, reported));
        Assert.Equal(shown, (await deployment.FindAsync(asked.Id)).ConnectUrl);
    }

    [Theory]
    [InlineData("false", HttpStatusCode.BadRequest)]
    [InlineData("true", HttpStatusCode.NoContent)]
    public async Task Link_without_tls_needs_a_setting(string allowed, HttpStatusCode status)
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Delivery:AllowHttpConnectUrl"] = allowed });
        var (vm, _) = await AssignAsync(deployment);
        Assert.Equal(status, await vm.ReportAsync(Outcome.Connected, "http://vm-1.example.org/"));
    }

    [Fact]
    public async Task Replies_that_carry_secrets_are_stored_by_no_cache()
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var asked = await deployment.Person.PostAsJsonAsync("/assignments", new AssignmentRequest("ada@example.org"));
        using var again = await deployment.Person.PostAsJsonAsync("/assignments", new AssignmentRequest("ada@example.org"));
        using var shown = await deployment.Person.GetAsync(asked.Headers.Location);
        using var tokens = await deployment.Admin.PostAsJsonAsync("/enrolment-tokens", new EnrolmentTokenRequest());
        using var enrolment = new HttpRequestMessage(HttpMethod.Post, "/vms")
        {
            Content = JsonContent.Create(new EnrolmentRequest("vm-1", "machine-1")),
            Headers = { Authorization = new("Bearer", Replica.EnrolmentToken) },
        };
        using var enrolled = await deployment.Person.SendAsync(enrolment);

        Assert.All([asked, again, shown, tokens, enrolled], response =>
        {
            Assert.True(response.IsSuccessStatusCode, $"{response.RequestMessage}");
            Assert.Equal("no-store", $"{response.Headers.CacheControl}");
        });
    }

    private static async Task<(TestVm Vm, Assignment Asked)> AssignAsync(Deployment deployment)
    {
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        var asked = await deployment.AskAsync("ada@example.org");
        await vm.PollUntilAsync(VmState.Assigned);
        return (vm, asked);
    }
}
