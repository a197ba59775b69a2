namespace Allocator.Contracts;

/// <summary>Answer of <c>GET /config</c>: what one replica goes by.</summary>
/// <param name="Replica">The name that it gives itself to the database.</param>
/// <param name="Environment">Production, Development or another.</param>
/// <param name="Settings">In the order of their keys.</param>
public sealed record ReplicaConfiguration(string Replica, string Environment, IReadOnlyList<Setting> Settings);

/// <summary>One setting in force.</summary>
/// <param name="Key">As in <c>appsettings.json</c>.</param>
/// <param name="EnvironmentVariable">What sets it from the environment.</param>
/// <param name="Value">Secrets are <c>***</c>.</param>
/// <param name="Source">Where it comes from: the name of a file, <c>environment</c>, <c>command line</c>, <c>host</c> or <c>default</c>.</param>
public sealed record Setting(string Key, string EnvironmentVariable, string Value, string Source);
