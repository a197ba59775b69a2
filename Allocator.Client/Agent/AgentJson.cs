using System.Text.Json.Serialization;
using Allocator.Client.Agent.Doctor;
using Allocator.Client.Agent.Status;

namespace Allocator.Client.Agent;

/// <summary>The compile-time JSON of commands with <c>--json</c>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(DoctorReport))]
[JsonSerializable(typeof(StatusReport))]
internal sealed partial class AgentJson : JsonSerializerContext;
