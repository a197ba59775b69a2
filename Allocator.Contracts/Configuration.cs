namespace Allocator.Contracts;

/// <summary>Answer of <c>GET /config</c>: the settings of one replica.</summary>
/// <param name="Replica">The application name of the replica in the database.</param>
/// <param name="Environment">The environment: Production, Development or another.</param>
/// <param name="Settings">All settings, sorted by key.</param>
public sealed record ReplicaConfiguration(string Replica, string Environment, IReadOnlyList<Setting> Settings);

/// <summary>A setting in force.</summary>
/// <param name="Key">The key in <c>appsettings.json</c>.</param>
/// <param name="EnvironmentVariable">The environment variable that sets it.</param>
/// <param name="Value">The value; <c>***</c> for a secret.</param>
/// <param name="Source">The source of the value: the name of a file, <c>environment</c>, <c>command line</c>, <c>host</c> or <c>default</c>.</param>
public sealed record Setting(string Key, string EnvironmentVariable, string Value, string Source);
