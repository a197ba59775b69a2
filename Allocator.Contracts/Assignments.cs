using System.ComponentModel.DataAnnotations;

namespace Allocator.Contracts;

/// <summary>Body of <c>POST /assignments</c>: requests a VM for a person.</summary>
/// <param name="Email">The person's e-mail address, whose case is ignored. A person has at most one live assignment per pool.</param>
/// <param name="Pool">The pool; <c>default</c> if absent.</param>
/// <param name="AccessCode">The access code from the host of the workshop, if the pool has one.</param>
/// <param name="Command">The command line that Chrome Remote Desktop shows (<c>… start-host --code="4/…" …</c>). Only its code is used.</param>
public sealed record AssignmentRequest(
    [property: Required] string? Email,
    string? Pool = null,
    string? AccessCode = null,
    string? Command = null);

/// <summary>One person's claim to one VM, from the request until its end.</summary>
/// <param name="Id">An unguessable id. It is the only credential for seeing and ending the assignment.</param>
/// <param name="Position">The position in the queue, from 1, while waiting.</param>
/// <param name="Hostname">The host name of the VM, once assigned.</param>
/// <param name="ConnectUrl">The URL of the desktop, once connected and if the VM reported one.</param>
/// <param name="Pin">The six digits that the desktop asks for, once connected and if a command was given.</param>
/// <param name="Attempts">The number of VMs that failed to prepare for the person.</param>
/// <param name="ExpiresAt">The time at which the assignment ends; null if it has no set end or is not connected yet.</param>
/// <param name="WarnAt">The time from which the person should be warned of the end, if the pool sets one.</param>
/// <param name="EstimatedWaitSeconds">
/// The estimated remaining wait while waiting: the mean time until a VM polls if one is free for this position, or else
/// the time until the cleaning or the expiry on which the position depends. Null if there is no basis for an estimate.
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
/// <param name="Hostname">The VM to move to; any free VM of the pool if absent.</param>
/// <param name="From">Moves the person only if they are on this VM, so that the request can be repeated.</param>
public sealed record MoveRequest(string? Hostname = null, string? From = null);

/// <summary>Body of <c>POST /assignments/{id}/extend</c>: sets the end of an assignment, by exactly one of the fields.</summary>
/// <param name="ExpiresAt">The new end.</param>
/// <param name="By">The duration that is added to the current end, as <c>hh:mm:ss</c>.</param>
public sealed record ExtensionRequest(DateTime? ExpiresAt = null, TimeSpan? By = null);

/// <summary>Body of <c>POST /assignments/release</c>: selects live assignments that match all given filters, or all of them.</summary>
/// <param name="Ids">The ids of the assignments; at most 10,000.</param>
/// <param name="Text">A part of the person's e-mail address or of the VM's host name.</param>
/// <param name="All">Selects every live assignment; required if no filter is given.</param>
/// <param name="DryRun">Changes nothing and returns what would be changed.</param>
public sealed record AssignmentSelection(
    IReadOnlyList<Guid>? Ids = null,
    string? Pool = null,
    AssignmentState? State = null,
    string? Hostname = null,
    string? Email = null,
    string? Text = null,
    bool All = false,
    bool DryRun = false);

/// <summary>An assignment that was changed, or would be changed by a dry run.</summary>
/// <param name="State">The state before the change.</param>
public sealed record TouchedAssignment(Guid Id, string Email, AssignmentState State, string? Hostname);

/// <summary>Answer of <c>GET /assignment/{hostname}</c>: the current task of the VM. Its ETag is <c>"g&lt;generation&gt;"</c>.</summary>
/// <param name="Generation">A number that grows with every change that concerns the VM.</param>
/// <param name="Assignment">The person who has the VM; null unless <paramref name="State"/> is <see cref="VmState.Assigned"/>.</param>
public sealed record VmAssignment(string Hostname, long Generation, VmState State, AssignedPerson? Assignment);

/// <summary>The person to whom a VM is assigned.</summary>
/// <param name="Id">The assignment's id.</param>
/// <param name="Command">The input for Chrome Remote Desktop, if the person gave a command.</param>
public sealed record AssignedPerson(Guid Id, string Email, RemoteDesktopCommand? Command, DateTime AssignedAt);

/// <summary>The input with which Chrome Remote Desktop's host starts for one person. Never pass it to a shell.</summary>
/// <param name="Code">The one-time code of the pasted command, made of <c>[A-Za-z0-9_/-]</c>.</param>
/// <param name="Pin">The six digits, generated by the allocator, that the person types to connect.</param>
public sealed record RemoteDesktopCommand(string Code, string Pin);

/// <summary>Body of <c>PUT /assignment/{hostname}/outcome</c>: reports the result of an assignment or cleanup.</summary>
/// <param name="Generation">The generation that the VM acted on.</param>
/// <param name="ConnectUrl">
/// With <see cref="Contracts.Outcome.Connected"/>: an absolute https URL without quotes, angle brackets, backslashes or
/// spaces, at most 2,048 characters. <c>Delivery:AllowHttpConnectUrl</c> also allows http.
/// </param>
/// <param name="Detail">Any text that helps the admin, such as the end of a failing hook's output; at most 4,096 characters.</param>
public sealed record OutcomeReport(
    [property: Required] long? Generation,
    [property: Required] Outcome? Outcome,
    string? ConnectUrl = null,
    string? Detail = null)
{
    public const int MaxConnectUrl = 2_048;

    /// <summary>Returns whether a person may be offered this link: a web address without credentials.</summary>
    public static bool IsConnectUrl(string url) => CanonicalConnectUrl(url) is not null;

    /// <summary>
    /// Returns the one form of the link that every browser reads alike, with the host name as it is looked up and other
    /// scripts percent-encoded; or null if a person may not be offered it.
    /// </summary>
    public static string? CanonicalConnectUrl(string url) =>
        url.Length <= MaxConnectUrl
        && PlainText.IsPlain(url)
        && !url.Any(c => char.IsWhiteSpace(c) || c is '"' or '\'' or '`' or '<' or '>' or '\\')
        && Uri.TryCreate(url, UriKind.Absolute, out var parsed)
        && parsed is { Scheme: "http" or "https", UserInfo: "" }
        && new UriBuilder(parsed) { Host = parsed.IdnHost }.Uri.AbsoluteUri is { Length: <= MaxConnectUrl } canonical
            ? canonical
            : null;
}
