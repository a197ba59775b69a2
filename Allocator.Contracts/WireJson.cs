using System.Text.Json.Serialization;

namespace Allocator.Contracts;

/// <summary>Compile-time JSON for every wire record: camelCase, nulls written, UTC times.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, PropertyNameCaseInsensitive = true)]
[JsonSerializable(typeof(EnrolmentRequest))]
[JsonSerializable(typeof(Enrolment))]
[JsonSerializable(typeof(VmReport))]
[JsonSerializable(typeof(VmDetail))]
[JsonSerializable(typeof(Page<Vm>))]
[JsonSerializable(typeof(AssignmentRequest))]
[JsonSerializable(typeof(Assignment))]
[JsonSerializable(typeof(Page<Assignment>))]
[JsonSerializable(typeof(VmAssignment))]
[JsonSerializable(typeof(OutcomeReport))]
[JsonSerializable(typeof(Pool))]
[JsonSerializable(typeof(IReadOnlyList<Pool>))]
[JsonSerializable(typeof(PoolSettings))]
[JsonSerializable(typeof(RosterSize))]
[JsonSerializable(typeof(Page<RosterEntry>))]
[JsonSerializable(typeof(VmSelection))]
[JsonSerializable(typeof(Touched<TouchedVm>))]
[JsonSerializable(typeof(VmAssignmentRequest))]
[JsonSerializable(typeof(MoveRequest))]
[JsonSerializable(typeof(ExtensionRequest))]
[JsonSerializable(typeof(AssignmentSelection))]
[JsonSerializable(typeof(Touched<TouchedAssignment>))]
[JsonSerializable(typeof(Page<EventRecord>))]
[JsonSerializable(typeof(ConnectionHealth))]
[JsonSerializable(typeof(ReplicaConfiguration))]
public sealed partial class WireJson : JsonSerializerContext;
