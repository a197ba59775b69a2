using System.Text.Json.Serialization;

namespace Allocator.Polling;

/// <summary>Compile-time JSON for what the client keeps.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, PropertyNameCaseInsensitive = true)]
[JsonSerializable(typeof(PersistedState))]
internal sealed partial class StateJson : JsonSerializerContext;
