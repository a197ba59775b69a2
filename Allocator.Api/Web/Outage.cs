using Npgsql;

namespace Allocator.Api.Web;

/// <summary>Distinguishes an unavailable database from one that rejects a statement.</summary>
internal static class Outage
{
    private static readonly string[] TransientStates =
    [
        "08", // connection exceptions
        "53", // out of connections, memory, disk
        "57P", // shutting down or starting up
        PostgresErrorCodes.InvalidPassword, // changed since this replica started; other replicas have the new one
        PostgresErrorCodes.ReadOnlySqlTransaction, // after a failover, this connection is to the old primary
    ];

    /// <summary>Returns whether the same statement may succeed when it is tried again later.</summary>
    public static bool IsTransient(Exception e) => e switch
    {
        PostgresException postgres => postgres.IsTransient
            || TransientStates.Any(state => postgres.SqlState.StartsWith(state, StringComparison.Ordinal)),
        NpgsqlException or TimeoutException => true,
        _ => false,
    };
}
