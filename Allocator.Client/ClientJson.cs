using System.Text.Json.Serialization;

namespace Allocator.Client;

/// <summary>Compile-time JSON for what the client keeps and hands to hooks.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, PropertyNameCaseInsensitive = true)]
[JsonSerializable(typeof(Remembered))]
[JsonSerializable(typeof(HookInput))]
[JsonSerializable(typeof(HookOutput))]
internal sealed partial class ClientJson : JsonSerializerContext;
