using System.Text.Json;
using System.Text.Json.Serialization;

namespace Allocator.Contracts;

/// <summary>Writes enums as camelCase strings and reads nothing else: numbers are refused.</summary>
public sealed class WireEnumConverter<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.CamelCase, allowIntegerValues: false)
    where T : struct, Enum;

/// <summary>What the VM says of itself.</summary>
[JsonConverter(typeof(WireEnumConverter<VmStatus>))]
public enum VmStatus
{
    /// <summary>Enrolled, not yet ready for anybody.</summary>
    Initializing,

    /// <summary>Ready.</summary>
    Running,

    /// <summary>Something on the VM is broken, for instance its hook failed.</summary>
    Error,

    /// <summary>Going down, and coming back.</summary>
    Rebooting,
}

/// <summary>Whether the VM's polls arrive.</summary>
[JsonConverter(typeof(WireEnumConverter<VmPresence>))]
public enum VmPresence
{
    /// <summary>It polls.</summary>
    Present,

    /// <summary>No poll arrived for <c>Liveness:LostAfter</c>.</summary>
    Lost,
}

/// <summary>An admin's word that keeps a VM out of the pool.</summary>
[JsonConverter(typeof(WireEnumConverter<VmHold>))]
public enum VmHold
{
    /// <summary>Out of the pool until an admin puts it back.</summary>
    Held,

    /// <summary>No new person; retired once it is free.</summary>
    Draining,

    /// <summary>Out for good.</summary>
    Retired,
}

/// <summary>How far the VM's person is, where it has one: what the admin's list of VMs filters by.</summary>
[JsonConverter(typeof(WireEnumConverter<VmOccupancy>))]
public enum VmOccupancy
{
    /// <summary>It has none.</summary>
    None,

    /// <summary>It prepares for its person.</summary>
    Assigned,

    /// <summary>Its person can connect.</summary>
    Connected,
}

/// <summary>What the VM is to do now.</summary>
[JsonConverter(typeof(WireEnumConverter<VmState>))]
public enum VmState
{
    /// <summary>Nobody's; nothing to do.</summary>
    Free,

    /// <summary>Somebody's; <see cref="VmAssignment.Assignment"/> says whose.</summary>
    Assigned,

    /// <summary>The last person is gone; clean up, then report <see cref="Outcome.Clean"/>.</summary>
    Cleaning,

    /// <summary>Kept out of the pool by an admin.</summary>
    Held,
}

/// <summary>What the VM found when it looked at its GPU.</summary>
[JsonConverter(typeof(WireEnumConverter<GpuHealth>))]
public enum GpuHealth
{
    /// <summary>There is a GPU and it answers.</summary>
    Healthy,

    /// <summary>There is a GPU and it does not answer.</summary>
    Unhealthy,

    /// <summary>There is none.</summary>
    Absent,
}

/// <summary>Where an assignment is on its way.</summary>
[JsonConverter(typeof(WireEnumConverter<AssignmentState>))]
public enum AssignmentState
{
    /// <summary>In the queue; the next free VM that polls takes the first.</summary>
    Waiting,

    /// <summary>A VM has it and prepares for the person.</summary>
    Assigned,

    /// <summary>The VM is ready for the person.</summary>
    Connected,

    /// <summary>Over; <see cref="EndReason"/> says why.</summary>
    Ended,
}

/// <summary>Why an assignment is over.</summary>
[JsonConverter(typeof(WireEnumConverter<EndReason>))]
public enum EndReason
{
    /// <summary>The VM was given back.</summary>
    Released,

    /// <summary>Its time was up.</summary>
    Expired,

    /// <summary>The person left the queue.</summary>
    Cancelled,

    /// <summary>Too many VMs failed to take the person.</summary>
    Failed,
}

/// <summary>How a VM fared with what it was told.</summary>
[JsonConverter(typeof(WireEnumConverter<Outcome>))]
public enum Outcome
{
    /// <summary>The assigned hook succeeded: the person can connect.</summary>
    Connected,

    /// <summary>The assigned hook failed: the person needs another VM.</summary>
    Failed,

    /// <summary>The released hook succeeded: nothing of the last person is left.</summary>
    Clean,
}
