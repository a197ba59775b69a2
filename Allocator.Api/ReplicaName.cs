namespace Allocator.Api;

/// <summary>What this replica calls itself to the database and in its signals.</summary>
internal static class ReplicaName
{
    /// <summary>What the names of all replicas begin with.</summary>
    public const string Prefix = "allocator-api ";

    /// <summary>Host and process. PostgreSQL cuts a name after 63 bytes, and host names differ at their ends.</summary>
    public static string Value { get; } =
        $"{Prefix}{Environment.MachineName[^Math.Min(Environment.MachineName.Length, 40)..]}:{Environment.ProcessId}";
}
