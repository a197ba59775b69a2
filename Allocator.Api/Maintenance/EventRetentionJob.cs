using Allocator.Api.Events;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Maintenance;

/// <summary>Removes events that are older than <c>Retention:Events</c>.</summary>
internal sealed class EventRetentionJob(NpgsqlDataSource database, IOptions<RetentionOptions> options)
    : RetentionJob("remove_events", database, Delete, options.Value.Events, options.Value.BatchSize)
{
    private const string Delete =
        """
        delete from events
        where id in (
            select id
            from events
            where at < clock() - $1::interval
            order by at
            limit $2
            for update skip locked
        )
        """;
}
