using System.Text.Json.Serialization;

namespace Allocator.Contracts;

/// <summary>The state of the connections of the allocator's PostgreSQL.</summary>
[JsonConverter(typeof(WireEnumConverter<ConnectionStatus>))]
public enum ConnectionStatus
{
    /// <summary>Enough connections are free.</summary>
    Healthy,

    /// <summary>More than 80 % of the connections are in use.</summary>
    Warning,

    /// <summary>More than 90 % of the connections are in use, or all but those reserved for superusers.</summary>
    Critical,

    /// <summary>The server cannot be reached; the numbers are those of the last reading, or null if there was none.</summary>
    Unavailable,
}

/// <summary>
/// Answer of <c>GET /api/health/connections</c>: all connections of the server. In snake_case, for compatibility with
/// monitors of the system that this one replaces.
/// </summary>
public sealed record ConnectionHealth
{
    [JsonPropertyName("status")]
    public required ConnectionStatus Status { get; init; }

    /// <summary>The number of client connections to the server, without its own background processes.</summary>
    [JsonPropertyName("active_connections")]
    public int? ActiveConnections { get; init; }

    /// <summary>The number of connections whose last statement was a LISTEN; the allocator has none.</summary>
    [JsonPropertyName("listen_connections")]
    public int? ListenConnections { get; init; }

    /// <summary>The value of <c>max_connections</c>.</summary>
    [JsonPropertyName("max_connections")]
    public int? MaxConnections { get; init; }

    /// <summary>The active connections in percent of the maximum.</summary>
    [JsonPropertyName("utilization_percent")]
    public double? UtilizationPercent { get; init; }

    /// <summary>Whether more than 80 % of the connections are in use.</summary>
    [JsonPropertyName("warning")]
    public required bool Warning { get; init; }

    /// <summary>Whether more than 90 % of the connections are in use, or all but the reserved ones.</summary>
    [JsonPropertyName("critical")]
    public required bool Critical { get; init; }

    /// <summary>The number of connections that the server reserves for superusers and reserved roles.</summary>
    [JsonPropertyName("reserved_connections")]
    public int? ReservedConnections { get; init; }

    /// <summary>
    /// The number of connections by state: <c>active</c>, <c>idle</c>, <c>idle in transaction</c>, …; <c>hidden</c> if
    /// the allocator's role may not see it.
    /// </summary>
    [JsonPropertyName("by_state")]
    public required IReadOnlyDictionary<string, int> ByState { get; init; }

    /// <summary>The number of connections by application name; each replica has its own.</summary>
    [JsonPropertyName("by_application")]
    public required IReadOnlyDictionary<string, int> ByApplication { get; init; }

    /// <summary>The number of replicas that are connected to this database.</summary>
    [JsonPropertyName("replicas_seen")]
    public int? ReplicasSeen { get; init; }

    /// <summary>The maximum number of connections of one replica: <c>Database:PoolSize</c>.</summary>
    [JsonPropertyName("pool_size")]
    public required int PoolSize { get; init; }

    /// <summary>The maximum number of connections of all replicas: replicas × pool size.</summary>
    [JsonPropertyName("connection_budget")]
    public int? ConnectionBudget { get; init; }

    /// <summary>The budget in percent of the connections that are not reserved. Above 100 the replicas can starve each other.</summary>
    [JsonPropertyName("budget_percent")]
    public double? BudgetPercent { get; init; }

    /// <summary>The time at which the numbers were read.</summary>
    [JsonPropertyName("read_at")]
    public DateTimeOffset? ReadAt { get; init; }

    /// <summary>The age of the numbers in seconds.</summary>
    [JsonPropertyName("age_seconds")]
    public double? AgeSeconds { get; init; }

    /// <summary>An explanation of the problem; null if there is none.</summary>
    [JsonPropertyName("detail")]
    public string? Detail { get; init; }
}
