using System.Text.Json;
using System.Text.Json.Nodes;
using Allocator.Tests.Client.Admin;
using Allocator.Tests.Infrastructure;

namespace Allocator.Tests.Client.Agent;

/// <summary>Runs <c>allocator …</c> commands as an operator on a VM, with a separate settings file and state folder.</summary>
internal sealed class VmTerminal : IDisposable
{
    /// <param name="url">The allocator's address in the settings.</param>
    public VmTerminal(string url, object? settings = null)
    {
        Directory.CreateDirectory(StateFolder);
        var all = JsonSerializer.SerializeToNode(new { Url = url, Hostname = "vm-1", MachineId = "machine-1", StateFolder })!.AsObject();
        foreach (var (key, value) in JsonSerializer.SerializeToNode(settings ?? new { })!.AsObject())
        {
            all[key] = value?.DeepClone();
        }
        File.WriteAllText(ConfigurationPath, all.ToJsonString());
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("allocator-vm-").FullName;

    public string StateFolder => Path.Combine(Folder, "state");

    public string ConfigurationPath => Path.Combine(Folder, "client.json");

    /// <summary>Gets the environment of the commands, without the proxy settings of this machine.</summary>
    public Dictionary<string, string?> Environment { get; } = new() { ["http_proxy"] = null, ["https_proxy"] = null,
        ["HTTPS_PROXY"] = null, ["ALL_PROXY"] = null };

    public void WriteToken(string token) => File.WriteAllText(Path.Combine(StateFolder, "token"), token);

    /// <param name="words">The command line without <c>--config</c>.</param>
    public async Task<Ran> RunAsync(string words)
    {
        await using var process = Executable.Start("allocator", [.. words.Split(' '), "--config", ConfigurationPath], Environment);
        var code = await process.WaitForExitAsync();
        return new Ran(code, process.Printed, process.Output);
    }

    /// <summary>Runs <c>allocator doctor</c> and returns its report.</summary>
    public async Task<(int Code, string? Failed, IReadOnlyDictionary<string, Step> Steps)> DiagnoseAsync()
    {
        var ran = await RunAsync("doctor --json");
        var diagnosis = JsonNode.Parse(ran.Printed)!;
        return (ran.Code, (string?)diagnosis["failed"], diagnosis["steps"]!.AsArray().ToDictionary(
            step => (string)step!["step"]!, step => new Step((string)step!["verdict"]!, (string)step["text"]!, (string?)step["cure"])));
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    internal sealed record Step(string Status, string Text, string? Remedy);
}
