using System.Text.Json;
using System.Text.Json.Serialization;
using Allocator.Contracts;

namespace Allocator.Polling;

/// <summary>
/// What the client knows and how it fares, for people and programs on the same VM: the JSON in
/// <see cref="AllocatorClientOptions.StatusPath"/>, which only the client's user can read. Without secrets.
/// </summary>
public sealed record ClientStatus
{
    /// <summary>The VM's name in the fleet.</summary>
    public required string Hostname { get; init; }

    /// <summary>Where the allocator is.</summary>
    public required Uri Url { get; init; }

    /// <summary>The pool it asks to join; null: the server's default.</summary>
    public required string? Pool { get; init; }

    /// <summary>The client's process.</summary>
    public required int ProcessId { get; init; }

    /// <summary>When that started.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When it stopped; null: it runs, unless it was killed.</summary>
    public DateTimeOffset? StoppedAt { get; init; }

    /// <summary>Whether the VM has a token of its own.</summary>
    public bool Enrolled { get; init; }

    /// <summary>The last poll. Where the file is on a disk, this and the next two may be a minute behind.</summary>
    public DateTimeOffset? PolledAt { get; init; }

    /// <summary>The last poll that brought an answer.</summary>
    public DateTimeOffset? AnsweredAt { get; init; }

    /// <summary>When the next poll is due.</summary>
    public DateTimeOffset? NextPollAt { get; init; }

    /// <summary>The max-age that the allocator named: polls are between once and twice this apart.</summary>
    public TimeSpan? Interval { get; init; }

    /// <summary>How many polls have failed in a row; 0: the last one was answered.</summary>
    public int FailedPolls { get; init; }

    /// <summary>The last poll that failed, also when others have succeeded since.</summary>
    public PollFailure? LastFailure { get; init; }

    /// <summary>Since when there has been no answer, once that is long enough to be a loss of contact; null: there is contact.</summary>
    public DateTimeOffset? NoContactSince { get; init; }

    /// <summary>The allocator's last answer, without the person's remote desktop command.</summary>
    public VmAssignment? Answer { get; init; }

    /// <summary>The last run of the handler.</summary>
    public HandlerRun? LastRun { get; init; }

    /// <summary>The last run that failed, also when others have succeeded since, such as the cleaning after it.</summary>
    public HandlerRun? LastFailedRun { get; init; }

    /// <summary>Whether the allocator has yet to hear its outcome.</summary>
    public bool OutcomeUnheard { get; init; }

    /// <summary>The status in a file; null if there is none.</summary>
    /// <exception cref="UnauthorizedAccessException">The file is another user's.</exception>
    /// <exception cref="JsonException">The file holds something else.</exception>
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

/// <summary>A poll that brought no answer.</summary>
/// <param name="Why">In words.</param>
public sealed record PollFailure(DateTimeOffset At, string Why);

/// <summary>A run of the handler.</summary>
/// <param name="For"><see cref="VmState.Assigned"/> or <see cref="VmState.Cleaning"/>.</param>
/// <param name="Generation">The generation of the answer it was for.</param>
/// <param name="AssignmentId">The assignment, where it was for a person.</param>
/// <param name="BootId">The boot it ran in.</param>
/// <param name="EndedAt">Null: it is running, or was when the client ended.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="Detail">Where it failed: why.</param>
public sealed record HandlerRun(
    VmState For,
    long Generation,
    Guid? AssignmentId,
    string BootId,
    DateTimeOffset StartedAt,
    DateTimeOffset? EndedAt = null,
    Outcome? Outcome = null,
    string? Detail = null);

/// <summary>Compile-time JSON for <see cref="ClientStatus"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ClientStatus))]
internal sealed partial class StatusJson : JsonSerializerContext;
