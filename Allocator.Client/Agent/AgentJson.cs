using System.Text.Json.Serialization;
using Allocator.Client.Agent.Doctor;
using Allocator.Client.Agent.Status;

namespace Allocator.Client.Agent;

/// <summary>Serializes the output of commands with <c>--json</c>, by code generated at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(DoctorReport))]
[JsonSerializable(typeof(StatusReport))]
internal sealed partial class AgentJson : JsonSerializerContext;
