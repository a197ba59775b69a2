using System.Text.Json.Serialization;

namespace Allocator.Client.Agent.Machine;

/// <summary>Compile-time JSON for what these commands tell programs.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Diagnosis))]
[JsonSerializable(typeof(StatusReport))]
internal sealed partial class MachineJson : JsonSerializerContext;
