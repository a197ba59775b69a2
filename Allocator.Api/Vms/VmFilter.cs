using Allocator.Api.Data;
using Allocator.Api.Web;
using Allocator.Contracts;
using Microsoft.AspNetCore.Mvc;

namespace Allocator.Api.Vms;

/// <summary>The filters of VMs as query parameters, which are those of <see cref="VmQuery"/>.</summary>
internal sealed record VmQueryParameters(
    [FromQuery(Name = "pool")] string? Pool,
    [FromQuery(Name = "state")] EnumQuery<VmState>? State,
    [FromQuery(Name = "status")] EnumQuery<VmStatus>? Status,
    [FromQuery(Name = "presence")] EnumQuery<VmPresence>? Presence,
    [FromQuery(Name = "hold")] EnumQuery<VmHold>? Hold,
    [FromQuery(Name = "gpu")] EnumQuery<GpuHealth>? Gpu,
    [FromQuery(Name = "assignment")] EnumQuery<VmOccupancy>? Assignment,
    [FromQuery(Name = "free")] bool? Free,
    [FromQuery(Name = "text")] string? Text,
    [FromQuery(Name = "inUse")] bool? InUse)
{
    public VmQuery ToQuery() => new()
    {
        Pool = Pool,
        State = State?.Value,
        Status = Status?.Value,
        Presence = Presence?.Value,
        Hold = Hold?.Value,
        Gpu = Gpu?.Value,
        Assignment = Assignment?.Value,
        Free = Free,
        Text = Text,
        InUse = InUse,
    };
}

/// <summary>The condition of a statement about VMs that match a query. A deleted VM matches none.</summary>
internal sealed record VmFilter(VmQuery Query, IReadOnlyList<string>? Hostnames = null)
{
    /// <summary>
    /// The condition on a VM <c>v</c> and its live assignment <c>a</c>. Its parameters are <see cref="Values"/>; the
    /// planner knows their values, so filters that are null cost nothing.
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
        and ($11::boolean is null or v.in_use = $11)
        """;

    /// <summary>The first parameter that a statement adds to those of <see cref="Where"/>.</summary>
    public const string Next1 = "$12";

    /// <summary>The second parameter that a statement adds to those of <see cref="Where"/>.</summary>
    public const string Next2 = "$13";

    public VmFilter(VmSelection selection)
        : this(selection, selection.Hostnames is null ? null : [.. selection.Hostnames.Select(name => Hostname.Of(name)!.Value.ToString())])
    {
    }

    /// <summary>The values of the parameters of <see cref="Where"/>, in their order.</summary>
    public object?[] Values =>
    [
        Query.Pool, Query.State?.Text(), Query.Status?.Text(), Query.Presence is null ? null : Query.Presence == VmPresence.Lost,
        Query.Hold?.Text(), Query.Gpu?.Text(), Query.Assignment?.Text(), Query.Free, Query.Text?.ToLowerInvariant(), Hostnames?.ToArray(),
        Query.InUse,
    ];

    /// <summary>Creates a filter that matches exactly one VM.</summary>
    public static VmFilter Of(Hostname hostname) => new(new VmQuery(), [hostname]);
}
