using System.Text.Json;
using System.Text.RegularExpressions;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests;

/// <summary><c>docs/tutorial.md</c>, command by command, with simulated VMs.</summary>
public sealed partial class TutorialTests(PostgresServer server) : IDisposable
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(4);

    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-tutorial-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Workshop_runs_as_the_tutorial_describes_and_events_record_it()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Liveness:LostAfter"] = "00:00:10" });
        var page = await File.ReadAllTextAsync(Path.Combine(RepositoryRoot.Path, "docs", "tutorial.md"));
        var told = Blocks(page, "text").Single();
        WriteState(deployment);
        using var classIsOver = new CancellationTokenSource();
        var vms = await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 30).Select(i => $"vm-{i}")]);
        var lives = vms.Select(vm => LiveAsync(vm, classIsOver.Token)).ToList();
        try
        {
            // A simulated VM has no process to freeze: a file with its name stands for that. Waits are shorter.
            var script = $$"""
                kill() { touch "$PWD/.run/frozen-$2"; }
                sleep() { command sleep 0.2; }
                cd '{{_folder}}'
                {{string.Join('\n', Blocks(page, "sh"))}}
                """;
            await using var terminal = Executable.Start("/bin/bash", ["-euo", "pipefail", "-c", script], new Dictionary<string, string?>
            {
                ["PATH"] = $"{AppContext.BaseDirectory}:{Environment.GetEnvironmentVariable("PATH")}",
                ["ALLOCATOR_Url"] = null,
                ["ALLOCATOR_API_KEY"] = null,
                ["ALLOCATOR_ADMIN_USER"] = null,
                ["ALLOCATOR_ADMIN_PASSWORD"] = null,
            });
            await Wait.UntilAsync(() => terminal.HasExited || lives.Any(life => life.IsFaulted), "the class is over", Timeout);
            await Task.WhenAll(lives.Where(life => life.IsFaulted));
            Assert.True(await terminal.WaitForExitAsync() == 0, terminal.Output);
            Assert.EndsWith(Lines(told), Lines(terminal.Printed), StringComparison.Ordinal);
        }
        finally
        {
            await classIsOver.CancelAsync();
            await Task.WhenAll(lives);
        }
        await CheckEventsAsync(deployment);
    }

    /// <summary>Checks beyond the counts: what happened to whom, in which order, and by which actor.</summary>
    private static async Task CheckEventsAsync(Deployment deployment)
    {
        var requeued = await deployment.EventsAsync("action=requeued");
        Assert.Equal(["hook_failed", "vm_lost", "vm_lost"], requeued.Select(Why).Order());
        var failed = Assert.Single(requeued, one => Why(one) == "hook_failed");
        Assert.Equal(("vm:vm-30", "vm-30"), (failed.Actor, failed.Hostname));
        Assert.Contains("Is a directory", failed.Detail.GetProperty("detail").GetString(), StringComparison.Ordinal);

        var lost = (await deployment.EventsAsync("action=vm_lost")).Select(one => one.Hostname).Order();
        Assert.Equal(lost, requeued.Where(one => Why(one) == "vm_lost").Select(one => one.Hostname).Order());
        Assert.Equal(lost.Append("vm-30").Order(), (await deployment.EventsAsync("action=vm_deleted")).Select(one => one.Hostname).Order());

        var moved = Assert.Single(await deployment.EventsAsync("action=moved"));
        var held = Assert.Single(await deployment.EventsAsync("action=vm_held"));
        Assert.Equal("admin:admin", moved.Actor);
        Assert.Equal(held.Hostname, moved.Detail.GetProperty("before").GetProperty("hostname").GetString());
        var story = (await deployment.EventsAsync("email=person-1@example.org")).Select(one => one.Action).ToList();
        Assert.Equal(["requested", "assigned"], story[..2]);
        Assert.True(story.IndexOf("connected") < story.IndexOf("moved") && story.IndexOf("moved") < story.LastIndexOf("connected"), string.Join(' ', story));
        Assert.Equal("released", story[^1]);

        // Requeued people were served before people without a VM: each got another one.
        foreach (var one in requeued)
        {
            Assert.Contains(await deployment.EventsAsync($"assignment={one.AssignmentId}"), later => later.Action == "connected" && later.Id > one.Id);
        }

        static string? Why(EventRecord one) => one.Detail.GetProperty("why").GetString();
    }

    /// <summary>Simulates a VM with the sample hook: it polls, prepares for its person and cleans up, until it is frozen.</summary>
    private async Task LiveAsync(TestVm vm, CancellationToken cancel)
    {
        var folder = Path.Combine(_folder, ".run", "vms", vm.Hostname);
        long? done = null;
        while (!cancel.IsCancellationRequested && !File.Exists(Path.Combine(_folder, ".run", "frozen-" + vm.Hostname)))
        {
            var answer = await vm.PollAsync();
            if (answer is { State: VmState.Assigned or VmState.Cleaning } && answer.Generation != done)
            {
                done = answer.Generation;
                var broken = Directory.Exists(Path.Combine(folder, "hooks.jsonl"));
                await vm.ReportAsync(
                    broken ? Outcome.Failed : answer.State == VmState.Assigned ? Outcome.Connected : Outcome.Clean,
                    detail: broken ? "write-down.sh: cannot create hooks.jsonl: Is a directory" : null);
            }
            await Task.Delay(PollInterval, TimeProvider.System, CancellationToken.None);
        }
    }

    /// <summary>Writes the files that <c>run.sh</c> leaves for the operator.</summary>
    private void WriteState(Deployment deployment)
    {
        for (var i = 1; i <= 30; i++)
        {
            var folder = Directory.CreateDirectory(Path.Combine(_folder, ".run", "vms", $"vm-{i}"));
            File.WriteAllText(Path.Combine(folder.FullName, "pid"), $"vm-{i}");
        }
        var state = Path.Combine(_folder, ".run", "state.json");
        File.WriteAllText(state, JsonSerializer.Serialize(new
        {
            url = deployment.Replica.Address.ToString().TrimEnd('/'),
            replicas = new[] { deployment.Replica.Address },
            adminUser = "admin",
            adminPassword = Replica.AdminPassword,
        }));
        File.SetUnixFileMode(state, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private static IEnumerable<string> Blocks(string page, string language) =>
        Block().Matches(page).Where(block => block.Groups[1].Value == language).Select(block => block.Groups[2].Value);

    private static string Lines(string text) => string.Join('\n', text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0));

    [GeneratedRegex("^```([a-z]+)\n(.*?)^```$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Block();
}
