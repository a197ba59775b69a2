using System.Globalization;
using Allocator.Api.Security;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Fleet;

/// <summary>One VM as its row said at one <paramref name="Revision"/>. Never changed, only replaced as a whole.</summary>
/// <param name="Generation">What the VM's ETag names.</param>
/// <param name="Received">The VM has acknowledged the assignment it has now.</param>
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
    /// <summary>The columns of <see cref="Read"/>, of a VM <c>v</c> and its live assignment <c>a</c>.</summary>
    public const string Columns =
        """
        v.hostname, v.pool, v.revision, v.generation, v.token_hash, v.state, v.is_free, v.lost_at is not null, v.deleted_at is not null,
        a.id, a.email, a.code, a.pin, a.assigned_at, a.received_at is not null
        """;

    /// <summary>The entity tag of this generation, quotes included.</summary>
    public string ETag => string.Create(CultureInfo.InvariantCulture, $"\"g{Generation}\"");

    /// <summary>Given to somebody, and the VM has not said yet that it knows.</summary>
    public bool AwaitsReceipt => Assignment is not null && !Received;

    /// <summary>Nobody's, and free as soon as it says that it is clean or runs.</summary>
    public bool IsUnready => State is VmState.Cleaning or VmState.Free && !IsFree && !IsLost;

    public PollState PollState => new(Generation, IsFree, IsUnready, AwaitsReceipt);

    /// <summary>What it is counted as among the VMs of its pool; null where it is deleted.</summary>
    public VmCount? Count => State switch
    {
        _ when IsDeleted => null,
        VmState.Assigned => VmCount.Assigned,
        VmState.Cleaning => VmCount.Cleaning,
        VmState.Held => VmCount.Held,
        _ => IsFree ? VmCount.Free : VmCount.Unready,
    };

    /// <summary>What the VM is told.</summary>
    public VmAssignment ToWire() => new(Hostname, Generation, State, Assignment);

    /// <summary>Reads <see cref="Columns"/>, the first of them at <paramref name="first"/>.</summary>
    /// <param name="pool">The pool's name where it is at hand: a fleet shall not keep a copy of it for each VM.</param>
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

/// <summary>What a VM counts as; each VM as one of them.</summary>
internal enum VmCount
{
    Free,
    Assigned,
    Cleaning,
    Held,

    /// <summary>Nobody's, and yet not free: initializing, in error, rebooting, lost or with an unhealthy GPU.</summary>
    Unready,
}
