using System.Text.Json.Serialization;
using Allocator.Client.Terminal;
using Allocator.Contracts;

namespace Allocator.Client.Agent.Doctor;

/// <summary>How one of the doctor's steps ended.</summary>
[JsonConverter(typeof(WireEnumConverter<Verdict>))]
internal enum Verdict
{
    Passed,

    /// <summary>It works, and is not as it should be.</summary>
    Warned,

    Failed,

    /// <summary>A step before it failed, or it does not apply here.</summary>
    Skipped,
}

/// <summary>What one of the doctor's steps found.</summary>
/// <param name="Cure">What to do about it.</param>
internal sealed record CheckResult(string Step, Verdict Verdict, string Text, string? Cure = null)
{
    /// <summary>What the whole examination ends with, where this is the first that failed.</summary>
    [JsonIgnore]
    public ExitCode Code { get; init; }
}

/// <summary>All that the doctor found.</summary>
/// <param name="Failed">The first step that failed.</param>
internal sealed record DoctorReport(bool Ok, int ExitCode, string? Failed, IReadOnlyList<CheckResult> Steps);
