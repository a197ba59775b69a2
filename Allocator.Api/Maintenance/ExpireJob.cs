using Allocator.Api.Data;
using Npgsql;

namespace Allocator.Api.Maintenance;

/// <summary>Ends assignments whose time is up.</summary>
internal sealed partial class ExpireJob(NpgsqlDataSource database, ILogger<ExpireJob> log) : MaintenanceJob("expire")
{
    private const string Statement =
        $"""
        with target as (
            select id, state, 'expired' as reason, 'allocator' as actor
            from assignments
            where expires_at <= clock() and state <> 'ended'
            order by expires_at
            for no key update skip locked
        ),
        {EndAssignmentsSql.Ctes}
        select count(*)::int
        from ended
        """;

    public override async Task RunAsync(CancellationToken cancel)
    {
        var expired = await database.Command(Statement).CountAsync(cancel);
        if (expired > 0)
        {
            Log.Expired(log, expired);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "{Count} assignment(s) have expired")]
        public static partial void Expired(ILogger log, int count);
    }
}
