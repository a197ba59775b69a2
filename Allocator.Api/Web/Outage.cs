using Npgsql;

namespace Allocator.Api.Web;

/// <summary>Tells a database that is away from one that says no.</summary>
internal static class Outage
{
    private static readonly string[] PassingStates =
    [
        "08", // connection exceptions
        "53", // out of connections, memory, disk
        "57P", // shutting down or starting up
        PostgresErrorCodes.InvalidPassword, // changed since this replica started; others have the new one
        PostgresErrorCodes.ReadOnlySqlTransaction, // a failover has left us with the old primary
    ];

    /// <summary>Whether the same request can succeed a little later, with nothing changed.</summary>
    public static bool IsTransient(Exception e) => e switch
    {
        PostgresException postgres => postgres.IsTransient
            || PassingStates.Any(state => postgres.SqlState.StartsWith(state, StringComparison.Ordinal)),
        NpgsqlException or TimeoutException => true,
        _ => false,
    };
}
