using System.Text.Json;
using System.Text.RegularExpressions;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests;

/// <summary>Runs every command of <c>docs/tutorial.md</c>, with simulated VMs in place of client processes.</summary>
public sealed partial class TutorialTests(PostgresServer server) : IDisposable
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(4);

    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-tutorial-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Tutorial_runs_and_ends_with_the_events_that_it_shows()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Liveness:LostAfter"] = "00:00:10" });
        var page = await File.ReadAllTextAsync(Path.Combine(RepositoryRoot.Path, "docs", "tutorial.md"));
        var expected = Blocks(page, "text").Single();
        WriteState(deployment);
        using var ended = new CancellationTokenSource();
        var vms = await deployment.EnrolFreeAsync([.. Enumerable.Range(1, 30).Select(i => $"vm-{i}")]);
        var vmTasks = vms.Select(vm => RunVmAsync(vm, ended.Token)).ToList();
        try
        {
            // Simulated VMs have no processes to freeze, so their pid files contain their names; and waiting is shortened.
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
            await Wait.UntilAsync(() => terminal.HasExited || vmTasks.Any(task => task.IsFaulted), "the script has ended", Timeout);
            await Task.WhenAll(vmTasks.Where(task => task.IsFaulted));
            Assert.True(await terminal.WaitForExitAsync() == 0, terminal.Output);
            Assert.EndsWith(Lines(expected), Lines(terminal.Printed), StringComparison.Ordinal);
        }
        finally
        {
            await ended.CancelAsync();
            await Task.WhenAll(vmTasks);
        }
        await CheckEventsAsync(deployment);
    }

    /// <summary>Checks which VM and person each event is about, who caused it, and the order of the events.</summary>
    private static async Task CheckEventsAsync(Deployment deployment)
    {
        var requeued = await deployment.EventsAsync("action=requeued");
        Assert.Equal(["hook_failed", "vm_lost", "vm_lost"], requeued.Select(Reason).Order());
        var failed = Assert.Single(requeued, one => Reason(one) == "hook_failed");
        Assert.Equal(("vm:vm-30", "vm-30"), (failed.Actor, failed.Hostname));
        Assert.Contains("Is a directory", failed.Detail.GetProperty("detail").GetString(), StringComparison.Ordinal);

        var lost = (await deployment.EventsAsync("action=vm_lost")).Select(one => one.Hostname).Order();
        Assert.Equal(lost, requeued.Where(one => Reason(one) == "vm_lost").Select(one => one.Hostname).Order());
        Assert.Equal(lost.Append("vm-30").Order(), (await deployment.EventsAsync("action=vm_deleted")).Select(one => one.Hostname).Order());

        var moved = Assert.Single(await deployment.EventsAsync("action=moved"));
        var held = Assert.Single(await deployment.EventsAsync("action=vm_held"));
        Assert.Equal("admin:admin", moved.Actor);
        Assert.Equal(held.Hostname, moved.Detail.GetProperty("before").GetProperty("hostname").GetString());
        var actions = (await deployment.EventsAsync("email=person-1@example.org")).Select(one => one.Action).ToList();
        Assert.Equal(["requested", "assigned"], actions[..2]);
        var moves = actions.IndexOf("moved");
        Assert.True(actions.IndexOf("connected") < moves && moves < actions.LastIndexOf("connected"), string.Join(' ', actions));
        Assert.Equal("released", actions[^1]);

        // Requeued people are first in the queue: each of them got another VM.
        foreach (var one in requeued)
        {
            var events = await deployment.EventsAsync($"assignment={one.AssignmentId}");
            Assert.Contains(events, later => later.Action == "connected" && later.Id > one.Id);
        }

        static string? Reason(EventRecord one) => one.Detail.GetProperty("why").GetString();
    }

    /// <summary>Polls and reports outcomes like a VM with the sample hook, until the tutorial freezes it.</summary>
    private async Task RunVmAsync(TestVm vm, CancellationToken cancel)
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

    /// <summary>Writes the files that <c>run.sh</c> writes for the operator.</summary>
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
