using System.Text.Json.Serialization;

namespace Allocator.Polling;

/// <summary>The compile-time JSON of the state file.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, PropertyNameCaseInsensitive = true)]
[JsonSerializable(typeof(PersistedState))]
internal sealed partial class StateJson : JsonSerializerContext;
