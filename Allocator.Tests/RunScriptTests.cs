using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests;

/// <summary>Runs <c>./run.sh</c> as a new user does.</summary>
public sealed class RunScriptTests : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(5);
    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-run-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Script_starts_everything_explains_its_use_and_leaves_nothing_running()
    {
        // The replicas listen on the two ports behind that of HAProxy.
        var reserved = ReservedPort.Consecutive(3);
        var port = reserved[0].Number;
        var data = Path.Combine(_folder, "data");
        await using var script = Executable.Start(
            Path.Combine(RepositoryRoot.Path, "run.sh"), ["--replicas", "2", "--vms", "2", "--port", $"{port}", "--data", data],
                new Dictionary<string, string?>());
        var stateFile = Path.Combine(data, "state.json");
        await Wait.UntilAsync(() => File.Exists(stateFile) || script.HasExited, "the script has started everything", Timeout);
        Assert.False(script.HasExited, script.Output);
        await Wait.UntilAsync(() => script.Output.Contains("Ctrl-C stops everything", StringComparison.Ordinal),
            "the script has printed its summary");

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(stateFile));
        var state = JsonNode.Parse(await File.ReadAllTextAsync(stateFile))!;
        using var http = new HttpClient { BaseAddress = new Uri(state["url"]!.GetValue<string>()) };
        Assert.Equal(port, http.BaseAddress.Port);
        foreach (var replica in state["replicas"]!.AsArray())
        {
            Assert.Equal("ready", await http.GetStringAsync(new Uri(new Uri(replica!.GetValue<string>()), "/health/ready")));
        }
        Assert.Equal(2, state["replicas"]!.AsArray().Count);
        Assert.NotEmpty(state["enrolmentToken"]!.GetValue<string>());
        http.DefaultRequestHeaders.Authorization =
            Deployment.Basic(state["adminUser"]!.GetValue<string>(), state["adminPassword"]!.GetValue<string>());
        Assert.Equal(["vm-1", "vm-2"], (await http.GetFromJsonAsync<Page<Vm>>("/vms"))!.Items.Select(vm => vm.Hostname));
        await Wait.UntilAsync(() => script.Output.Contains($"curl -s {state["url"]}/assignments", StringComparison.Ordinal),
            "the script has printed how to request a VM");

        var vm = (await File.ReadAllTextAsync(Path.Combine(data, "vms", "vm-1", "pid"))).Trim();
        var environment = await File.ReadAllTextAsync($"/proc/{vm}/environ");
        Assert.Contains("ALLOCATOR_Hostname=vm-1", environment, StringComparison.Ordinal);
        Assert.DoesNotMatch("Admin__|Database__|TokenHashes", environment);

        using var response = await http.PostAsJsonAsync("/assignments", new AssignmentRequest("ada@example.org"));
        var asked = (await response.Content.ReadFromJsonAsync<Assignment>())!;
        await Wait.UntilAsync(async () => (await http.GetFromJsonAsync<Assignment>($"/assignments/{asked.Id}"))!.State == AssignmentState.Connected,
            "a real VM has taken the person");

        Assert.Equal(143, await script.StopAsync());
        await Wait.UntilAsync(() => Processes(data).Length == 0, $"nothing is left of {string.Join(", ", Processes(data))}");
        Assert.False(File.Exists(stateFile));
        Array.ForEach(reserved, one => one.Dispose());
    }

    [Theory]
    [InlineData("--vms", "many", "--vms needs a number")]
    [InlineData("--replicas", "0", "--replicas must be 1 or more")]
    [InlineData("--dance", "", "unknown option '--dance'")]
    public async Task Wrong_option_is_named(string option, string value, string words)
    {
        await using var script = Executable.Start(Path.Combine(RepositoryRoot.Path, "run.sh"), [option, value], new Dictionary<string, string?>());
        Assert.Equal(2, await script.WaitForExitAsync());
        Assert.Contains(words, script.Output, StringComparison.Ordinal);
    }

    /// <summary>Returns the processes that have this folder in their arguments or environment.</summary>
    private static string[] Processes(string folder) =>
    [
        .. Directory.GetDirectories("/proc").Where(process => char.IsDigit(Path.GetFileName(process)[0])).Select(process =>
        {
            try
            {
                return Path.GetFileName(process) != $"{Environment.ProcessId}"
                    && (File.ReadAllText(Path.Combine(process, "cmdline")) + File.ReadAllText(Path.Combine(process, "environ")))
                        .Contains(folder, StringComparison.Ordinal)
                    ? File.ReadAllText(Path.Combine(process, "cmdline")).Replace('\0', ' ')
                    : "";
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return "";
            }
        }).Where(command => command.Length > 0),
    ];
}
