using System.Text.Json.Serialization;

namespace Allocator.Contracts;

/// <summary>How the allocator's PostgreSQL fares with connections.</summary>
[JsonConverter(typeof(WireEnumConverter<ConnectionStatus>))]
public enum ConnectionStatus
{
    /// <summary>There are enough.</summary>
    Healthy,

    /// <summary>More than 80 % are taken.</summary>
    Warning,

    /// <summary>More than 90 % are taken, or none is left but those reserved for superusers.</summary>
    Critical,

    /// <summary>The server cannot be asked now; the numbers are of the last reading, or null where there was none.</summary>
    Unavailable,
}

/// <summary>
/// Answer of <c>GET /api/health/connections</c>: the whole server's connections, whoever has them. In snake_case, as
/// monitors of the replaced system read it.
/// </summary>
public sealed record ConnectionHealth
{
    [JsonPropertyName("status")]
    public required ConnectionStatus Status { get; init; }

    /// <summary>Client connections to the server; its own background processes are none.</summary>
    [JsonPropertyName("active_connections")]
    public int? ActiveConnections { get; init; }

    /// <summary>Those whose last statement was a LISTEN; none of the allocator's are.</summary>
    [JsonPropertyName("listen_connections")]
    public int? ListenConnections { get; init; }

    /// <summary>The server's setting.</summary>
    [JsonPropertyName("max_connections")]
    public int? MaxConnections { get; init; }

    /// <summary>Active of max.</summary>
    [JsonPropertyName("utilization_percent")]
    public double? UtilizationPercent { get; init; }

    /// <summary>More than 80 %.</summary>
    [JsonPropertyName("warning")]
    public required bool Warning { get; init; }

    /// <summary>More than 90 %, or none left but the reserved ones.</summary>
    [JsonPropertyName("critical")]
    public required bool Critical { get; init; }

    /// <summary>Of max, those that the server keeps for superusers and reserved roles.</summary>
    [JsonPropertyName("reserved_connections")]
    public int? ReservedConnections { get; init; }

    /// <summary>
    /// Connections by what they do: <c>active</c>, <c>idle</c>, <c>idle in transaction</c>, …; <c>hidden</c> are
    /// other roles' that the allocator's role may not look into.
    /// </summary>
    [JsonPropertyName("by_state")]
    public required IReadOnlyDictionary<string, int> ByState { get; init; }

    /// <summary>Connections by the name that each program gave; every replica gives one of its own.</summary>
    [JsonPropertyName("by_application")]
    public required IReadOnlyDictionary<string, int> ByApplication { get; init; }

    /// <summary>Replicas that are connected to this database.</summary>
    [JsonPropertyName("replicas_seen")]
    public int? ReplicasSeen { get; init; }

    /// <summary>Connections of one replica, at most: <c>Database:PoolSize</c>.</summary>
    [JsonPropertyName("pool_size")]
    public required int PoolSize { get; init; }

    /// <summary>What the replicas may take together: replicas × pool size.</summary>
    [JsonPropertyName("connection_budget")]
    public int? ConnectionBudget { get; init; }

    /// <summary>The budget, of max without the reserved ones. Above 100 the replicas can starve each other.</summary>
    [JsonPropertyName("budget_percent")]
    public double? BudgetPercent { get; init; }

    /// <summary>When the numbers were read.</summary>
    [JsonPropertyName("read_at")]
    public DateTimeOffset? ReadAt { get; init; }

    /// <summary>How old the numbers are.</summary>
    [JsonPropertyName("age_seconds")]
    public double? AgeSeconds { get; init; }

    /// <summary>What is wrong, in words; null where nothing is.</summary>
    [JsonPropertyName("detail")]
    public string? Detail { get; init; }
}
