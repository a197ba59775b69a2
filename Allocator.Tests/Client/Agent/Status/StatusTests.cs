using System.Text.Json.Nodes;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Client.Agent.Status;

public sealed class StatusTests(PostgresServer server)
{
    [Fact]
    public async Task Status_shows_assignment_and_hook_and_the_exit_code_the_problem()
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var terminal = new VmTerminal(deployment.Replica.Address.ToString(), new
        {
            EnrolmentToken = Replica.EnrolmentToken, FirstPollWithin = "00:00:00", Pool = "default",
            Hooks = new { Assigned = new[] { "/bin/sh", "-c", "echo no desktop today; exit 3" } },
        });
        Assert.Equal(8, (await terminal.RunAsync("status")).Code);
        await using var client = Executable.Start("allocator", ["run", "--config", terminal.ConfigurationPath], terminal.Environment);

        var screen = await Wait.ForAsync(
            async () => await terminal.RunAsync("status") is { Code: 0 } ran
                && ran.Printed.Contains("free (generation ", StringComparison.Ordinal) ? ran.Printed : null, "it is free");
        Assert.Contains("vm-1, pool default, enrolled", screen, StringComparison.Ordinal);
        Assert.Contains(", answered", screen, StringComparison.Ordinal);

        await deployment.DoAsync("/vms/vm-1/assign", new VmAssignmentRequest("ada@example.org"));
        var failed = await Wait.ForAsync(async () => await terminal.RunAsync("status") is { Code: 7 } ran ? ran : null, "the hook has failed");
        Assert.Contains("no desktop today", failed.Printed, StringComparison.Ordinal);
        Assert.Contains("exit code 3", failed.Printed, StringComparison.Ordinal);
        // The VM has been cleaned since, but the failed hook is still shown.
        await Wait.UntilAsync(async () =>
            (await terminal.RunAsync("status")).Printed.Contains("failed hook", StringComparison.Ordinal), "the failed hook is shown");
        var json = JsonNode.Parse((await terminal.RunAsync("status --json")).Printed)!;
        Assert.Equal((7, true, "vm-1"), ((int)json["exitCode"]!, (bool)json["running"]!, (string?)json["client"]!["hostname"]));

        Assert.Equal(0, await client.StopAsync());
        var stopped = await terminal.RunAsync("status");
        Assert.Equal(8, stopped.Code);
        Assert.Contains("The client is not running", stopped.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_shows_the_person_and_no_secrets()
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var terminal = new VmTerminal(deployment.Replica.Address.ToString(),
            new { EnrolmentToken = Replica.EnrolmentToken, FirstPollWithin = "00:00:00" });
        await using var client = Executable.Start("allocator", ["run", "--config", terminal.ConfigurationPath], terminal.Environment);
        await deployment.AskAsync("ada@example.org", command: "start-host --code=\"4/0Asecret\"");

        var screen = await Wait.ForAsync(
            async () => await terminal.RunAsync("status") is { Code: 0 } ran
                && ran.Printed.Contains("assigned (generation", StringComparison.Ordinal) ? ran.Printed : null, "the VM is assigned");
        Assert.Contains("ada@example.org", screen, StringComparison.Ordinal);
        Assert.DoesNotContain("4/0Asecret", screen + (await terminal.RunAsync("status --json")).Printed, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, 3)]
    [InlineData(false, 4)]
    public async Task Failed_polls_are_distinguished_from_a_missing_enrolment(bool isEnrolled, int code)
    {
        using var terminal = new VmTerminal("http://127.0.0.1:1", new { FirstPollWithin = "00:00:00" });
        if (isEnrolled)
        {
            terminal.WriteToken("vm-1.secret");
        }
        await using var client = Executable.Start("allocator", ["run", "--config", terminal.ConfigurationPath], terminal.Environment);
        var ran = await Wait.ForAsync(async () =>
            await terminal.RunAsync("status") is { } status && status.Code == code ? status : null, "it says so");
        Assert.Contains("allocator doctor", ran.Output, StringComparison.Ordinal);
        Assert.Contains("last failure", ran.Printed, StringComparison.Ordinal);
    }
}
