using System.Text.Json;

namespace Allocator.Contracts;

/// <summary>One thing that happened. Events are only ever added, and removed when their retention is over.</summary>
/// <param name="Id">Grows with time.</param>
/// <param name="Actor">Who: <c>person</c>, <c>vm:&lt;hostname&gt;</c>, <c>admin:&lt;name&gt;</c> or <c>allocator</c>.</param>
/// <param name="Action">What happened: one of <see cref="EventActions"/>.</param>
/// <param name="AssignmentId">Of a live or an ended assignment; one that is past its retention is no longer found.</param>
/// <param name="Detail">What else there is to say; where something changed, <c>before</c> and <c>after</c>.</param>
public sealed record EventRecord(
    long Id,
    DateTime At,
    string Actor,
    string Action,
    string? Pool,
    string? Hostname,
    Guid? AssignmentId,
    JsonElement Detail);
