using Allocator.Api.Data;
using Allocator.Contracts;

namespace Allocator.Api.Vms;

/// <summary>Which VMs: of a list, or of a change of many. What is null says nothing; a VM that was deleted fits none.</summary>
internal sealed record VmFilter(
    string? Pool = null,
    VmState? State = null,
    VmStatus? Status = null,
    VmPresence? Presence = null,
    VmHold? Hold = null,
    GpuHealth? Gpu = null,
    VmOccupancy? Assignment = null,
    bool? Free = null,
    string? Text = null,
    IReadOnlyList<string>? Hostnames = null)
{
    /// <summary>
    /// Of a VM <c>v</c> and its live assignment <c>a</c>, by the parameters <c>$1</c> to <c>$10</c>, which are
    /// <see cref="Values"/>. The planner knows their values: what is null is not there for it.
    /// </summary>
    public const string Where =
        """
        v.deleted_at is null
        and ($1::text is null or v.pool = $1)
        and ($2::text is null or v.state = $2)
        and ($3::text is null or v.status = $3)
        and ($4::boolean is null or (v.lost_at is not null) = $4)
        and ($5::text is null or v.hold = $5)
        and ($6::text is null or v.gpu = $6)
        and ($7::text is null or case when $7 = 'none' then v.assignment_id is null else v.assignment_id is not null and a.state = $7 end)
        and ($8::boolean is null or v.is_free = $8)
        and ($9::text is null or v.hostname = any (array(
            select hostname from vms where strpos(hostname, $9) > 0
            union
            select live_hostname from assignments where live_hostname is not null and strpos(email_key, $9) > 0
        )))
        and ($10::text[] is null or v.hostname = any ($10))
        """;

    public VmFilter(VmSelection selection)
        : this(
            selection.Pool, selection.State, selection.Status, selection.Presence, selection.Hold, selection.Gpu,
            selection.Assignment, selection.Free, selection.Text,
            selection.Hostnames is null ? null : [.. selection.Hostnames.Select(name => name.ToLowerInvariant())])
    {
    }

    /// <summary>This one.</summary>
    public static VmFilter Of(string hostname) => new(Hostnames: [hostname]);

    public object?[] Values =>
    [
        Pool, State?.Text(), Status?.Text(), Presence is null ? null : Presence == VmPresence.Lost, Hold?.Text(), Gpu?.Text(),
        Assignment?.Text(), Free, Text?.ToLowerInvariant(), Hostnames?.ToArray(),
    ];
}
