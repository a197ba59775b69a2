using System.Text.Json.Serialization;
using Allocator.Client.Agent.Doctor;
using Allocator.Client.Agent.Status;

namespace Allocator.Client.Agent;

/// <summary>Compile-time JSON for what these commands tell programs.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(DoctorReport))]
[JsonSerializable(typeof(StatusReport))]
internal sealed partial class AgentJson : JsonSerializerContext;
