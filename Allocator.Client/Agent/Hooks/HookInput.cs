using System.Text.Json.Serialization;
using Allocator.Contracts;

namespace Allocator.Client.Agent.Hooks;

/// <summary>The JSON that a hook reads from its standard input.</summary>
/// <param name="Event"><c>assigned</c>, <c>released</c>, <c>lost-contact</c> or <c>found-contact</c>.</param>
/// <param name="Since">The time of the allocator's last answer; only with <c>lost-contact</c> and <c>found-contact</c>.</param>
internal sealed record HookInput(
    string Event,
    string Hostname,
    long? Generation,
    AssignedPerson? Assignment,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? Since = null)
{
    public const string AssignedEvent = "assigned";
}

/// <summary>The JSON that an assigned hook may print to its standard output.</summary>
internal sealed record HookOutput(string? ConnectUrl);

/// <summary>Serializes the input and output of hooks, by code generated at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, PropertyNameCaseInsensitive = true)]
[JsonSerializable(typeof(HookInput))]
[JsonSerializable(typeof(HookOutput))]
internal sealed partial class HookJson : JsonSerializerContext;
