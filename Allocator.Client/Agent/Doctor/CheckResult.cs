using System.Text.Json.Serialization;
using Allocator.Client.Terminal;
using Allocator.Contracts;

namespace Allocator.Client.Agent.Doctor;

[JsonConverter(typeof(WireEnumConverter<CheckStatus>))]
internal enum CheckStatus
{
    Passed,

    /// <summary>The client works, but the operator should change something.</summary>
    Warned,

    Failed,

    /// <summary>An earlier check failed, or the check does not apply here.</summary>
    Skipped,
}

/// <summary>The result of one check.</summary>
/// <param name="Remedy">What the operator can do about it.</param>
internal sealed record CheckResult(
    [property: JsonPropertyName("step")] string Check,
    [property: JsonPropertyName("verdict")] CheckStatus Status,
    string Text,
    [property: JsonPropertyName("cure")] string? Remedy = null)
{
    /// <summary>Gets the exit code of the command if this is the first check that failed.</summary>
    [JsonIgnore]
    public ExitCode Code { get; init; }
}

/// <summary>The JSON of <c>allocator doctor --json</c>.</summary>
/// <param name="Failed">The first check that failed.</param>
internal sealed record DoctorReport(
    bool Ok, int ExitCode, string? Failed, [property: JsonPropertyName("steps")] IReadOnlyList<CheckResult> Checks);
