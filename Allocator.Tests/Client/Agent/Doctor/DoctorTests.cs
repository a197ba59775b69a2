using System.Net;
using System.Text.Json;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Allocator.Tests.Client.Agent.Doctor;

public sealed class DoctorTests(PostgresServer server)
{
    private static readonly DateTimeOffset Now = TimeProvider.System.GetUtcNow();

    [Fact]
    public async Task Doctor_passes_on_a_healthy_vm_without_taking_a_waiting_person()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = Assert.Single(await deployment.EnrolFreeAsync("vm-1"));
        await vm.PollUntilAsync(VmState.Free);
        // No VM polls from here on, so a person in the queue stays there unless the doctor's requests take them.
        await deployment.AskAsync("ada@example.org");
        await deployment.WaitForQueueAsync(1);
        var before = await TracesAsync(deployment);

        using var terminal = new VmTerminal(deployment.Replica.Address.ToString());
        terminal.WriteToken(vm.Token);
        var (code, failed, steps) = await terminal.DiagnoseAsync();

        Assert.Equal((0, null), (code, failed));
        Assert.Equal(("passed", "passed", "passed"), (steps["allocator"].Status, steps["clock"].Status, steps["token"].Status));
        Assert.Equal(before, await TracesAsync(deployment));
        Assert.Equal(1, (await deployment.FindPoolAsync("default")).Waiting);
        // The VM was free all the time: its next poll takes the person.
        await vm.PollUntilAsync(VmState.Assigned);

        static async Task<string> TracesAsync(Deployment deployment)
        {
            var seen = await deployment.FindVmAsync("vm-1");
            var events = await deployment.Admin.GetStringAsync("/events?hostname=vm-1&limit=1000");
            return $"{seen.Generation} {seen.State} {seen.Status} {seen.Email} {events}";
        }
    }

    [Fact]
    public async Task Enrolment_token_is_checked_without_enrolling()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var url = deployment.Replica.Address.ToString();

        using var right = new VmTerminal(url, new { EnrolmentToken = Replica.EnrolmentToken });
        var (code, _, steps) = await right.DiagnoseAsync();
        Assert.Equal((0, "passed"), (code, steps["token"].Status));
        using var wrong = new VmTerminal(url, new { EnrolmentToken = "another" });
        (code, var failed, _) = await wrong.DiagnoseAsync();
        Assert.Equal((4, "token"), (code, failed));
        using var none = new VmTerminal(url);
        (code, _, steps) = await none.DiagnoseAsync();
        Assert.Equal(4, code);
        Assert.Contains("--enrolment-token-file", steps["token"].Remedy, StringComparison.Ordinal);

        Assert.Equal(HttpStatusCode.NotFound, (await deployment.Admin.GetAsync("/vms/vm-1")).StatusCode);
    }

    [Fact]
    public async Task Rejected_token_is_distinguished_from_a_deleted_vm()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var vm = Assert.Single(await deployment.EnrolFreeAsync("vm-1"));
        var url = deployment.Replica.Address.ToString();
        using var terminal = new VmTerminal(url);
        terminal.WriteToken("vm-1.old");
        Assert.Equal((4, "token"), await terminal.DiagnoseAsync() is var (code, failed, _) ? (code, failed) : default);
        using var again = new VmTerminal(url, new { EnrolmentToken = Replica.EnrolmentToken });
        again.WriteToken("vm-1.old");
        Assert.Equal((0, "warned"), await again.DiagnoseAsync() is var (fine, _, steps) ? (fine, steps["token"].Status) : default);

        (await deployment.Admin.DeleteAsync("/vms/vm-1")).Dispose();
        terminal.WriteToken(vm.Token);
        var deleted = await terminal.DiagnoseAsync();
        Assert.Equal((1, "token"), (deleted.Code, deleted.Failed));
        Assert.Contains("deleted", deleted.Steps["token"].Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://allocator.invalid", 3, "name", "has no address")]
    [InlineData("http://127.0.0.1:1", 3, "connection", "nothing listens")]
    [InlineData("ftp://allocator.example.org", 2, "configuration", "it must be the allocator's address")]
    public async Task Failed_connection_is_reported_by_its_check(string url, int code, string step, string expected)
    {
        using var terminal = new VmTerminal(url);
        terminal.WriteToken("vm-1.secret");
        var diagnosis = await terminal.DiagnoseAsync();
        Assert.Equal((code, step), (diagnosis.Code, diagnosis.Failed));
        Assert.Contains(expected, $"{diagnosis.Steps[step].Text} {diagnosis.Steps[step].Remedy}", StringComparison.Ordinal);
        Assert.All(diagnosis.Steps.Values, one => Assert.DoesNotContain("secret", $"{one.Text}{one.Remedy}", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 52\n\n<html><title>Hotel Wi-Fi: sign in</title>Room?</html>",
        "HTTP", "a web page: 'Hotel Wi-Fi: sign in'")]
    [InlineData("HTTP/1.1 302 Found\nLocation: http://portal.example.org/\nContent-Length: 0\n\n", "HTTP", "captive portal")]
    [InlineData("HTTP/1.1 503 Service Unavailable\nContent-Length: 0\n\n", "HTTP", "no healthy backend")]
    [InlineData("HTTP/1.1 404 Not Found\nContent-Length: 0\n\n", "allocator", "not an allocator")]
    [InlineData("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "allocator", "not an allocator")]
    [InlineData("SSH-2.0-OpenSSH_9.2p1\n", "HTTP", "not respond with HTTP")]
    public async Task Server_that_is_not_the_allocator_is_reported_and_gets_no_token(string answer, string step, string expected)
    {
        await using var other = new RawServer(answer);
        using var terminal = new VmTerminal($"http://127.0.0.1:{other.Port}");
        terminal.WriteToken("vm-1.secret");
        var diagnosis = await terminal.DiagnoseAsync();
        Assert.Equal((3, step), (diagnosis.Code, diagnosis.Failed));
        Assert.Contains(expected, $"{diagnosis.Steps[step].Text} {diagnosis.Steps[step].Remedy}", StringComparison.Ordinal);
        Assert.Equal("skipped", diagnosis.Steps["token"].Status);
        Assert.All(other.Asked, asked => Assert.DoesNotContain("secret", asked, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("localhost", -30, 30, false, "does not trust its issuer")]
    [InlineData("localhost", -30, -1, true, "it expired on")]
    [InlineData("localhost", 1, 30, true, "not valid before")]
    [InlineData("elsewhere.example.org", -30, 30, true, "it is for elsewhere.example.org, not for localhost")]
    public async Task Each_certificate_error_is_reported_and_no_token_is_sent(string name, int fromDays,
        int untilDays, bool isKnown, string expected)
    {
        using var certificate = RawServer.Certificate(name, Now.AddDays(fromDays), Now.AddDays(untilDays));
        await using var other = new RawServer(RawServer.Live(), certificate);
        using var terminal = new VmTerminal($"https://localhost:{other.Port}");
        terminal.WriteToken("vm-1.secret");
        Trust(terminal, isKnown ? certificate : null);
        var diagnosis = await terminal.DiagnoseAsync();
        Assert.Equal((3, "TLS"), (diagnosis.Code, diagnosis.Failed));
        Assert.Contains(expected, diagnosis.Steps["TLS"].Text, StringComparison.Ordinal);
        Assert.DoesNotContain(";", diagnosis.Steps["TLS"].Text, StringComparison.Ordinal);
        Assert.All(other.Asked, asked => Assert.DoesNotContain("secret", asked, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Certificate_that_this_machine_trusts_passes()
    {
        using var certificate = RawServer.Certificate("localhost", Now.AddDays(-1), Now.AddDays(1));
        await using var other = new RawServer(RawServer.Live(), certificate);
        using var terminal = new VmTerminal($"https://localhost:{other.Port}");
        Trust(terminal, certificate);
        var diagnosis = await terminal.DiagnoseAsync();
        Assert.Equal(("passed", "passed", "token"), (diagnosis.Steps["TLS"].Status, diagnosis.Steps["allocator"].Status, diagnosis.Failed));
    }

    [Fact]
    public async Task Certificate_of_the_authority_in_CaFile_passes()
    {
        using var authority = new OwnAuthority();
        await using var server = await authority.ServeAsync("localhost", RespondAsync);
        using var terminal = new VmTerminal($"https://localhost:{OwnAuthority.Port(server)}", new { authority.CaFile });
        terminal.WriteToken("vm-1.secret");

        var (code, failed, steps) = await terminal.DiagnoseAsync();

        Assert.Equal((0, null), (code, failed));
        Assert.Equal(("passed", "passed", "passed"), (steps["TLS"].Status, steps["allocator"].Status, steps["token"].Status));
    }

    [Fact]
    public async Task Requests_go_through_the_proxy_in_the_settings()
    {
        await using var proxy = new RawServer(RawServer.Live());
        using var terminal = new VmTerminal("http://allocator.invalid", new { Proxy = $"http://ada:sesame@127.0.0.1:{proxy.Port}" });
        terminal.WriteToken("vm-1.secret");

        var (_, failed, steps) = await terminal.DiagnoseAsync();

        Assert.Equal(("passed", $"http://127.0.0.1:{proxy.Port}"), (steps["proxy"].Status, steps["proxy"].Text));
        Assert.Equal(("passed", "token"), (steps["allocator"].Status, failed));
        Assert.Equal(
            ["GET http://allocator.invalid/health/live", "PUT http://allocator.invalid/vms/vm-1/report"],
            proxy.Asked.Select(request => string.Join(' ', request.Split(' ')[..2])));
    }

    [Fact]
    public async Task Port_without_tls_is_distinguished_from_a_wrong_certificate()
    {
        await using var other = new RawServer(RawServer.Live());
        using var terminal = new VmTerminal($"https://localhost:{other.Port}");
        var diagnosis = await terminal.DiagnoseAsync();
        Assert.Equal((3, "TLS"), (diagnosis.Code, diagnosis.Failed));
        Assert.Contains("TLS handshake failed", diagnosis.Steps["TLS"].Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-10, "ahead of")]
    [InlineData(10, "behind")]
    public async Task Clock_that_is_minutes_off_is_reported(int serverMinutes, string expected)
    {
        await using var other = new RawServer(RawServer.Live(Now.AddMinutes(serverMinutes)));
        using var terminal = new VmTerminal($"http://127.0.0.1:{other.Port}");
        var diagnosis = await terminal.DiagnoseAsync();
        Assert.Equal((6, "clock"), (diagnosis.Code, diagnosis.Failed));
        Assert.Contains(expected, diagnosis.Steps["clock"].Text, StringComparison.Ordinal);
        Assert.Equal("passed", diagnosis.Steps["allocator"].Status);
    }

    [Fact]
    public async Task Proxy_is_shown_without_its_password()
    {
        await using var proxy = new RawServer(RawServer.Live());
        using var terminal = new VmTerminal("http://allocator.invalid");
        terminal.Environment["http_proxy"] = $"http://ada:sesame@127.0.0.1:{proxy.Port}";
        var ran = await terminal.RunAsync("doctor");
        Assert.Contains($"http://127.0.0.1:{proxy.Port}", ran.Printed, StringComparison.Ordinal);
        Assert.DoesNotContain("sesame", ran.Output, StringComparison.Ordinal);
        Assert.Contains("GET http://allocator.invalid/health/live", proxy.Asked.First(), StringComparison.Ordinal);
        Assert.Contains("Failed: token.", ran.Printed, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hook_that_cannot_run_is_reported_with_the_reason()
    {
        await using var other = new RawServer(RawServer.Live());
        using var terminal = new VmTerminal("http://127.0.0.1:1");
        foreach (var (content, mode, expected) in new[]
        {
            ("#!/bin/sh\n", UnixFileMode.UserRead, "cannot run"),
            ("#!/no/such/interpreter\n", UnixFileMode.UserRead | UnixFileMode.UserExecute, "/no/such/interpreter, which does not exist"),
            ("#!/bin/sh\r\n", UnixFileMode.UserRead | UnixFileMode.UserExecute, "written on Windows"),
        })
        {
            var hook = Path.Combine(terminal.Folder, "hook");
            File.Delete(hook);
            File.WriteAllText(hook, content);
            File.SetUnixFileMode(hook, mode);
            File.WriteAllText(terminal.ConfigurationPath, JsonSerializer.Serialize(new
            {
                Url = $"http://127.0.0.1:{other.Port}", Hostname = "vm-1", MachineId = "machine-1",
                    terminal.StateFolder, Hooks = new { Assigned = new[] { hook }, Released = new[] { "no-such-program" } },
            }));
            var diagnosis = await terminal.DiagnoseAsync();
            Assert.Equal("failed", diagnosis.Steps["assigned hook"].Status);
            Assert.Contains(expected, $"{diagnosis.Steps["assigned hook"].Text} {diagnosis.Steps["assigned hook"].Remedy}", StringComparison.Ordinal);
            Assert.Contains("There is no program no-such-program", diagnosis.Steps["released hook"].Text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("{ \"Url\": ", 2, "configuration", "is not JSON")]
    [InlineData("""{ "Url": "http://127.0.0.1:1", "Hostname": "vm-1", "MachineId": "uninitialized", "StateFolder": "/" }""", 6, "machine id",
        "does not identify this machine uniquely")]
    public async Task Problems_of_the_machine_are_reported_first(string settings, int code, string step, string expected)
    {
        using var terminal = new VmTerminal("http://127.0.0.1:1");
        File.WriteAllText(terminal.ConfigurationPath, settings);
        var diagnosis = await terminal.DiagnoseAsync();
        Assert.Equal((code, step), (diagnosis.Code, diagnosis.Failed));
        Assert.Contains(expected, diagnosis.Steps[step].Text, StringComparison.Ordinal);
    }

    private static async Task RespondAsync(HttpContext context)
    {
        if (context.Request.Path == "/health/live")
        {
            await context.Response.WriteAsync("live");
        }
        else
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        }
    }

    private static void Trust(VmTerminal terminal, System.Security.Cryptography.X509Certificates.X509Certificate2? certificate)
    {
        var file = Path.Combine(terminal.Folder, "ca.pem");
        File.WriteAllText(file, certificate?.ExportCertificatePem() ?? "");
        terminal.Environment["SSL_CERT_FILE"] = file;
        terminal.Environment["SSL_CERT_DIR"] = terminal.Folder;
    }
}
