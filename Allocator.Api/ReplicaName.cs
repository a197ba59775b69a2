namespace Allocator.Api;

/// <summary>The name of this replica in the database and in its telemetry.</summary>
internal static class ReplicaName
{
    /// <summary>The prefix of the names of all replicas.</summary>
    public const string Prefix = "allocator-api ";

    /// <summary>
    /// Gets the name, of host and process. It keeps the ends of host names, where they differ, since PostgreSQL truncates
    /// names after 63 bytes.
    /// </summary>
    public static string Value { get; } =
        $"{Prefix}{Environment.MachineName[^Math.Min(Environment.MachineName.Length, 40)..]}:{Environment.ProcessId}";
}
