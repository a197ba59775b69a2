using System.Text.Json.Serialization;

namespace Allocator.Client.Agent.Hooks;

/// <summary>Compile-time JSON for what goes to hooks and comes from them.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, PropertyNameCaseInsensitive = true)]
[JsonSerializable(typeof(HookInput))]
[JsonSerializable(typeof(HookOutput))]
internal sealed partial class HookJson : JsonSerializerContext;
