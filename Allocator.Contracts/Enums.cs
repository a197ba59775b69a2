using System.Text.Json;
using System.Text.Json.Serialization;

namespace Allocator.Contracts;

/// <summary>The names of enums in JSON and in queries.</summary>
public static class EnumNames
{
    /// <summary>Reads exactly one name, in any case; numbers and lists of names are refused.</summary>
    public static bool TryParse<T>(string? text, out T value)
        where T : struct, Enum => Of<T>.Values.TryGetValue(text ?? "", out value);

    /// <summary>Returns the camelCase name of a value.</summary>
    public static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName($"{value}");

    private static class Of<T>
        where T : struct, Enum
    {
        public static readonly Dictionary<string, T> Values = Enum.GetValues<T>().ToDictionary(Name, StringComparer.OrdinalIgnoreCase);
    }
}

/// <summary>
/// Writes enums as camelCase strings and reads exactly one of their names. The framework's converter would read a list such
/// as <c>waiting,connected</c> as one value.
/// </summary>
public sealed class WireEnumConverter<T> : JsonConverter<T>
    where T : struct, Enum
{
    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && EnumNames.TryParse<T>(reader.GetString(), out var value) ? value : throw new JsonException();

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteStringValue(EnumNames.Name(value));
}

/// <summary>The status that a VM reports of itself.</summary>
[JsonConverter(typeof(WireEnumConverter<VmStatus>))]
public enum VmStatus
{
    /// <summary>The VM is enrolled and not ready yet.</summary>
    Initializing,

    /// <summary>The VM is ready.</summary>
    Running,

    /// <summary>Something on the VM is broken; for example, a hook failed.</summary>
    Error,

    /// <summary>The VM is rebooting.</summary>
    Rebooting,
}

/// <summary>Whether a VM is polling.</summary>
[JsonConverter(typeof(WireEnumConverter<VmPresence>))]
public enum VmPresence
{
    /// <summary>The VM polls.</summary>
    Present,

    /// <summary>No poll arrived for <c>Liveness:LostAfter</c>.</summary>
    Lost,
}

/// <summary>The ways in which an admin keeps a VM out of the pool.</summary>
[JsonConverter(typeof(WireEnumConverter<VmHold>))]
public enum VmHold
{
    /// <summary>The VM is kept out of the pool until an admin returns it.</summary>
    Held,

    /// <summary>The VM gets no new person and is retired when it is free.</summary>
    Draining,

    /// <summary>The VM is permanently out of the pool.</summary>
    Retired,
}

/// <summary>The state of a VM's assignment, as a filter of VMs.</summary>
[JsonConverter(typeof(WireEnumConverter<VmOccupancy>))]
public enum VmOccupancy
{
    /// <summary>The VM has no assignment.</summary>
    None,

    /// <summary>The VM prepares for its person.</summary>
    Assigned,

    /// <summary>The VM's person can connect.</summary>
    Connected,
}

/// <summary>The current task of a VM.</summary>
[JsonConverter(typeof(WireEnumConverter<VmState>))]
public enum VmState
{
    /// <summary>The VM is not assigned; there is nothing to do.</summary>
    Free,

    /// <summary>The VM is assigned; <see cref="VmAssignment.Assignment"/> names the person.</summary>
    Assigned,

    /// <summary>The last assignment has ended; clean up, then report <see cref="Outcome.Clean"/>.</summary>
    Cleaning,

    /// <summary>An admin keeps the VM out of the pool.</summary>
    Held,
}

/// <summary>The health of a GPU, as its VM reports it.</summary>
[JsonConverter(typeof(WireEnumConverter<GpuHealth>))]
public enum GpuHealth
{
    /// <summary>The VM has a GPU, which responds.</summary>
    Healthy,

    /// <summary>The VM has a GPU, which does not respond.</summary>
    Unhealthy,

    /// <summary>The VM has no GPU.</summary>
    Absent,
}

/// <summary>The state of an assignment.</summary>
[JsonConverter(typeof(WireEnumConverter<AssignmentState>))]
public enum AssignmentState
{
    /// <summary>The person is in the queue; the next free VM that polls takes the first.</summary>
    Waiting,

    /// <summary>A VM prepares for the person.</summary>
    Assigned,

    /// <summary>The VM is ready for the person.</summary>
    Connected,

    /// <summary>The assignment has ended, for an <see cref="EndReason"/>.</summary>
    Ended,
}

/// <summary>The reason why an assignment ended.</summary>
[JsonConverter(typeof(WireEnumConverter<EndReason>))]
public enum EndReason
{
    /// <summary>The VM was given back.</summary>
    Released,

    /// <summary>The time of the assignment was up.</summary>
    Expired,

    /// <summary>The person left the queue.</summary>
    Cancelled,

    /// <summary>Too many VMs failed to prepare for the person.</summary>
    Failed,
}

/// <summary>The result of an assignment or cleanup on a VM.</summary>
[JsonConverter(typeof(WireEnumConverter<Outcome>))]
public enum Outcome
{
    /// <summary>The assigned hook succeeded: the person can connect.</summary>
    Connected,

    /// <summary>The assigned hook failed: the person needs another VM.</summary>
    Failed,

    /// <summary>The released hook succeeded: the VM is clean.</summary>
    Clean,
}
