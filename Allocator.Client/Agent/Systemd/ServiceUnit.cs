using Allocator.Client.Agent.Processes;

namespace Allocator.Client.Agent.Systemd;

/// <summary>The state of the client's service according to systemd.</summary>
/// <param name="LoadState"><c>loaded</c>, <c>not-found</c>, …</param>
/// <param name="UnitFileState"><c>enabled</c>, <c>disabled</c>, …</param>
/// <param name="ActiveState"><c>active</c>, <c>failed</c>, …</param>
/// <param name="StatusText">The last status line that the client sent.</param>
internal sealed record ServiceUnit(
    string LoadState, string UnitFileState, string ActiveState, string SubState, string? ActiveSince, string? StatusText, string? Restarts)
{
    public const string Name = "allocator.service";

    public bool IsActive => ActiveState is "active" or "reloading";

    /// <summary>Reads the state; returns null if systemd does not run on this machine.</summary>
    public static async Task<ServiceUnit?> ReadAsync(CancellationToken cancel)
    {
        var shown = await new ProgramRunner(TimeProvider.System).RunSystemAsync(
            ["systemctl", "show", Name, "--property=LoadState,UnitFileState,ActiveState,SubState,ActiveEnterTimestamp,StatusText,NRestarts"], cancel);
        if (!shown.Succeeded)
        {
            return null;
        }
        var facts = shown.Output.Split('\n')
            .Select(line => line.Split('=', 2))
            .Where(pair => pair.Length == 2)
            .ToLookup(pair => pair[0], pair => pair[1].Trim());
        string? Fact(string name) => facts[name].FirstOrDefault() is { Length: > 0 } value ? value : null;
        return Fact("LoadState") is { } loaded
            ? new ServiceUnit(
                loaded, Fact("UnitFileState") ?? "disabled", Fact("ActiveState") ?? "inactive", Fact("SubState") ?? "dead",
                Fact("ActiveEnterTimestamp"), Fact("StatusText"), Fact("NRestarts"))
            : null;
    }
}
