using Allocator.Api.Events;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Maintenance;

/// <summary>Removes assignments that ended longer ago than <c>Retention:EndedAssignments</c>.</summary>
internal sealed class AssignmentRetentionJob(NpgsqlDataSource database, IOptions<RetentionOptions> options)
    : RetentionJob("remove_assignments", database, Delete, options.Value.EndedAssignments, options.Value.BatchSize)
{
    private const string Delete =
        """
        delete from assignments
        where id in (
            select id
            from assignments
            where state = 'ended' and ended_at < clock() - $1::interval
            order by ended_at
            limit $2
            for update skip locked
        )
        """;
}
