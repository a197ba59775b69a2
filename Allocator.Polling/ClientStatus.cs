using System.Text.Json;
using System.Text.Json.Serialization;
using Allocator.Contracts;

namespace Allocator.Polling;

/// <summary>
/// The state of the client, for people and programs on the same VM: the JSON in
/// <see cref="AllocatorClientOptions.StatusPath"/>, which only the client's user can read. It contains no secrets.
/// </summary>
public sealed record ClientStatus
{
    /// <summary>Gets the VM's name in the fleet.</summary>
    public required string Hostname { get; init; }

    /// <summary>Gets the allocator's address.</summary>
    public required Uri Url { get; init; }

    /// <summary>Gets the pool that the VM asks to join; null for the server's default.</summary>
    public required string? Pool { get; init; }

    /// <summary>Gets the id of the client's process.</summary>
    public required int ProcessId { get; init; }

    /// <summary>Gets when the process started.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>Gets when the client stopped; null if it is running or was killed.</summary>
    public DateTimeOffset? StoppedAt { get; init; }

    /// <summary>Gets whether the VM has a token of its own.</summary>
    public bool Enrolled { get; init; }

    /// <summary>Gets the time of the last poll. If the file is on a disk, this and the next two may be a minute old.</summary>
    public DateTimeOffset? PolledAt { get; init; }

    /// <summary>Gets the time of the last poll that was answered.</summary>
    public DateTimeOffset? AnsweredAt { get; init; }

    /// <summary>Gets when the next poll is due.</summary>
    public DateTimeOffset? NextPollAt { get; init; }

    /// <summary>Gets the max-age of the last answer; the interval of polls is between once and twice this.</summary>
    public TimeSpan? Interval { get; init; }

    /// <summary>Gets how many polls have failed in a row; 0 if the last one was answered.</summary>
    public int FailedPolls { get; init; }

    /// <summary>Gets the last poll that failed, even if others have succeeded since.</summary>
    public PollFailure? LastFailure { get; init; }

    /// <summary>Gets the time of the last answer if contact with the allocator is lost; otherwise null.</summary>
    public DateTimeOffset? NoContactSince { get; init; }

    /// <summary>Gets the allocator's last answer, without the person's remote desktop command.</summary>
    public VmAssignment? Answer { get; init; }

    /// <summary>Gets the last run of the handler.</summary>
    public HandlerRun? LastRun { get; init; }

    /// <summary>Gets the last run that failed, even if others have succeeded since, such as the cleaning after it.</summary>
    public HandlerRun? LastFailedRun { get; init; }

    /// <summary>Gets whether its outcome has not been reported yet.</summary>
    [JsonPropertyName("outcomeUnheard")]
    public bool OutcomePending { get; init; }

    /// <summary>Reads the status from a file; returns null if there is none.</summary>
    /// <exception cref="UnauthorizedAccessException">The file belongs to another user.</exception>
    /// <exception cref="JsonException">The file is not a client status.</exception>
    public static ClientStatus? Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllText(path), StatusJson.Default.ClientStatus);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }
}

/// <summary>A poll that failed.</summary>
/// <param name="Why">Why it failed.</param>
public sealed record PollFailure(DateTimeOffset At, string Why);

/// <summary>A run of the handler.</summary>
/// <param name="For"><see cref="VmState.Assigned"/> or <see cref="VmState.Cleaning"/>.</param>
/// <param name="Generation">The generation of the answer that it handled.</param>
/// <param name="AssignmentId">The assignment, if the run was for a person.</param>
/// <param name="BootId">The boot in which it ran.</param>
/// <param name="EndedAt">Null if it is running, or was when the client ended.</param>
/// <param name="Outcome">The outcome, once it has ended.</param>
/// <param name="Detail">Why it failed, if it did.</param>
public sealed record HandlerRun(
    VmState For,
    long Generation,
    Guid? AssignmentId,
    string BootId,
    DateTimeOffset StartedAt,
    DateTimeOffset? EndedAt = null,
    Outcome? Outcome = null,
    string? Detail = null);

/// <summary>Serializes <see cref="ClientStatus"/>, by code generated at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ClientStatus))]
internal sealed partial class StatusJson : JsonSerializerContext;
