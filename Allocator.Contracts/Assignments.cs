using System.ComponentModel.DataAnnotations;

namespace Allocator.Contracts;

/// <summary>Body of <c>POST /assignments</c>: a person asks for a VM.</summary>
/// <param name="Email">Who asks. One live assignment per person and pool; upper and lower case are the same person.</param>
/// <param name="Pool">Which kind of VM; <c>default</c> if absent.</param>
/// <param name="AccessCode">The word the host gave out, where the pool has one.</param>
/// <param name="Command">The line Chrome Remote Desktop shows (<c>… start-host --code="4/…" …</c>). Only the code is taken out of it.</param>
public sealed record AssignmentRequest(
    [property: Required] string? Email,
    string? Pool = null,
    string? AccessCode = null,
    string? Command = null);

/// <summary>One person's claim to one VM, as the person and the admin see it.</summary>
/// <param name="Id">Unguessable; knowing it is the right to see and to end the assignment.</param>
/// <param name="Position">Place in the queue, from 1, while waiting.</param>
/// <param name="Hostname">The VM, once there is one.</param>
/// <param name="ConnectUrl">Where the person finds the desktop, once connected and if the VM named one.</param>
/// <param name="Pin">Six digits the desktop asks for, once connected and if a command was given.</param>
/// <param name="Attempts">How many VMs have failed to take the person.</param>
/// <param name="ExpiresAt">When the VM is taken back; null: at no set time, or not connected yet.</param>
/// <param name="WarnAt">From when on the person should be warned that the time is nearly up, where the pool says so.</param>
/// <param name="EstimatedWaitSeconds">
/// While waiting: how long still, by what is known now. With a free VM for this place, the mean time until one polls;
/// else until the cleaning or the expiry that this place depends on is over. Null where nothing true can be said.
/// </param>
public sealed record Assignment(
    Guid Id,
    string Pool,
    string Email,
    AssignmentState State,
    long? Position,
    string? Hostname,
    string? ConnectUrl,
    string? Pin,
    int Attempts,
    DateTime RequestedAt,
    DateTime? AssignedAt,
    DateTime? ConnectedAt,
    DateTime? ExpiresAt,
    DateTime? EndedAt,
    EndReason? EndReason,
    DateTime? WarnAt = null,
    double? EstimatedWaitSeconds = null);

/// <summary>Body of <c>POST /assignments/{id}/move</c>.</summary>
/// <param name="Hostname">The VM to move to; absent: any free one of the pool.</param>
/// <param name="From">Move only if the person is on this VM: makes a repeated request harmless.</param>
public sealed record MoveRequest(string? Hostname = null, string? From = null);

/// <summary>Body of <c>POST /assignments/{id}/extend</c>: one of the two.</summary>
/// <param name="ExpiresAt">The new end.</param>
/// <param name="By">So much longer than now set, as <c>hh:mm:ss</c>.</param>
public sealed record ExtensionRequest(DateTime? ExpiresAt = null, TimeSpan? By = null);

/// <summary>
/// Body of <c>POST /assignments/release</c>: which live assignments. All that is given must fit; at least one
/// filter, or <paramref name="All"/>.
/// </summary>
/// <param name="Ids">These only; at most 10,000.</param>
/// <param name="Text">A part of the person's address or of the VM's host name.</param>
/// <param name="All">Really every live assignment.</param>
/// <param name="DryRun">Change nothing, only say what would be changed.</param>
public sealed record AssignmentSelection(
    IReadOnlyList<Guid>? Ids = null,
    string? Pool = null,
    AssignmentState? State = null,
    string? Hostname = null,
    string? Email = null,
    string? Text = null,
    bool All = false,
    bool DryRun = false);

/// <summary>An assignment that was changed, or would be.</summary>
/// <param name="State">As it was before.</param>
public sealed record TouchedAssignment(Guid Id, string Email, AssignmentState State, string? Hostname);

/// <summary>Answer of <c>GET /assignment/{hostname}</c>: what the VM is to do now. Its ETag is <c>"g&lt;generation&gt;"</c>.</summary>
/// <param name="Generation">Grows with every change the VM must hear of.</param>
/// <param name="Assignment">Whose the VM is; null unless <paramref name="State"/> is <see cref="VmState.Assigned"/>.</param>
public sealed record VmAssignment(string Hostname, long Generation, VmState State, AssignedPerson? Assignment);

/// <summary>The person a VM was given to.</summary>
/// <param name="Id">The assignment's id.</param>
/// <param name="Command">What Chrome Remote Desktop needs, if the person gave it.</param>
public sealed record AssignedPerson(Guid Id, string Email, RemoteDesktopCommand? Command, DateTime AssignedAt);

/// <summary>What Chrome Remote Desktop's host needs to start for one person. Never to be handed to a shell.</summary>
/// <param name="Code">The one-time code out of the pasted command; only <c>[A-Za-z0-9_/-]</c>.</param>
/// <param name="Pin">Six digits, made by the allocator, that the person types to connect.</param>
public sealed record RemoteDesktopCommand(string Code, string Pin);

/// <summary>Body of <c>PUT /assignment/{hostname}/outcome</c>.</summary>
/// <param name="Generation">The generation the VM acted on.</param>
/// <param name="ConnectUrl">With <see cref="Contracts.Outcome.Connected"/>: an absolute http or https URL, at most 2,048 characters.</param>
/// <param name="Detail">Anything that helps the admin, such as the end of a failing hook's output; at most 4,096 characters.</param>
public sealed record OutcomeReport(
    [property: Required] long? Generation,
    [property: Required] Outcome? Outcome,
    string? ConnectUrl = null,
    string? Detail = null)
{
    public const int MaxConnectUrl = 2_048;

    /// <summary>A person will click on it: nothing but the web, and no credentials in front of the host.</summary>
    public static bool IsConnectUrl(string url) =>
        url.Length <= MaxConnectUrl
        && !url.Any(c => char.IsControl(c) || char.IsWhiteSpace(c))
        && Uri.TryCreate(url, UriKind.Absolute, out var parsed)
        && parsed is { Scheme: "http" or "https", UserInfo: "" };
}
