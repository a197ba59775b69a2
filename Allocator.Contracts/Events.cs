using System.Text.Json;

namespace Allocator.Contracts;

/// <summary>An event. Events are never changed; they are deleted when their retention ends.</summary>
/// <param name="Id">An id that grows with time.</param>
/// <param name="Actor">Who caused the event: <c>person</c>, <c>vm:&lt;hostname&gt;</c>, <c>admin:&lt;name&gt;</c> or <c>allocator</c>.</param>
/// <param name="Action">What happened: one of <see cref="EventActions"/>.</param>
/// <param name="AssignmentId">The id of the assignment, which is no longer found after its own retention.</param>
/// <param name="Detail">Further details; for changes, <c>before</c> and <c>after</c>.</param>
public sealed record EventRecord(
    long Id,
    DateTime At,
    string Actor,
    string Action,
    string? Pool,
    string? Hostname,
    Guid? AssignmentId,
    JsonElement Detail);
