using System.Globalization;
using Allocator.Api.Security;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Fleet;

/// <summary>The row of one VM at one <paramref name="Revision"/>. It is never changed, only replaced as a whole.</summary>
/// <param name="Generation">The number that the VM's ETag names.</param>
/// <param name="Received">Whether the VM has acknowledged its current assignment.</param>
internal sealed record VmSnapshot(
    string Hostname,
    string Pool,
    long Revision,
    long Generation,
    TokenHash TokenHash,
    VmState State,
    bool IsFree,
    bool IsLost,
    bool IsDeleted,
    AssignedPerson? Assignment,
    bool Received)
{
    /// <summary>The columns of a VM <c>v</c> and its live assignment <c>a</c>, in the order in which <see cref="Read"/> reads them.</summary>
    public const string Columns =
        """
        v.hostname, v.pool, v.revision, v.generation, v.token_hash, v.state, v.is_free, v.lost_at is not null, v.deleted_at is not null,
        a.id, a.email, a.code, a.pin, a.assigned_at, a.received_at is not null
        """;

    /// <summary>Gets the entity tag of this generation, including its quotes.</summary>
    public string ETag => string.Create(CultureInfo.InvariantCulture, $"\"g{Generation}\"");

    /// <summary>Gets whether the VM is assigned and has not acknowledged that yet.</summary>
    public bool AwaitsReceipt => Assignment is not null && !Received;

    /// <summary>Gets whether the VM is unassigned and becomes free when it reports that it is clean or running.</summary>
    public bool IsUnready => State is VmState.Cleaning or VmState.Free && !IsFree && !IsLost;

    public PollState PollState => new(Generation, IsFree, IsUnready, AwaitsReceipt);

    /// <summary>Gets how the VM is counted in its pool, or null if it is deleted.</summary>
    public VmCount? Count => State switch
    {
        _ when IsDeleted => null,
        VmState.Assigned => VmCount.Assigned,
        VmState.Cleaning => VmCount.Cleaning,
        VmState.Held => VmCount.Held,
        _ => IsFree ? VmCount.Free : VmCount.Unready,
    };

    /// <summary>Returns the body of the VM's poll.</summary>
    public VmAssignment ToWire() => new(Hostname, Generation, State, Assignment);

    /// <summary>Reads <see cref="Columns"/> by position, which is faster than by name for a million rows.</summary>
    /// <param name="first">The position of the first of them.</param>
    /// <param name="pool">The pool's name, if the caller has it, so that a fleet does not keep one copy for each VM.</param>
    public static VmSnapshot Read(NpgsqlDataReader row, int first = 0, string? pool = null)
    {
        var assignment = row.IsDBNull(first + 9)
            ? null
            : new AssignedPerson(
                row.GetGuid(first + 9),
                row.GetString(first + 10),
                row.IsDBNull(first + 11) ? null : new RemoteDesktopCommand(row.GetString(first + 11), row.GetString(first + 12)),
                row.GetDateTime(first + 13));
        return new VmSnapshot(
            row.GetString(first),
            pool ?? row.GetString(first + 1),
            row.GetInt64(first + 2),
            row.GetInt64(first + 3),
            new TokenHash(row.GetFieldValue<byte[]>(first + 4)),
            Enum.Parse<VmState>(row.GetString(first + 5), ignoreCase: true),
            row.GetBoolean(first + 6),
            row.GetBoolean(first + 7),
            row.GetBoolean(first + 8),
            assignment,
            row.GetBoolean(first + 14));
    }
}

/// <summary>The groups in which the VMs of a pool are counted; each VM is in one of them.</summary>
internal enum VmCount
{
    Free,
    Assigned,
    Cleaning,
    Held,

    /// <summary>Unassigned and not free: initializing, in error, rebooting, lost or with an unhealthy GPU.</summary>
    Unready,
}
