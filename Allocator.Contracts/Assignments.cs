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
    EndReason? EndReason);

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
    string? Detail = null);
