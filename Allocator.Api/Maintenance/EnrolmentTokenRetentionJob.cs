using Allocator.Api.Events;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Maintenance;

/// <summary>Removes enrolment tokens that expired longer ago than <c>Retention:EnrolmentTokens</c>.</summary>
internal sealed class EnrolmentTokenRetentionJob(NpgsqlDataSource database, IOptions<RetentionOptions> options)
    : RetentionJob("remove_enrolment_tokens", database, Delete, options.Value.EnrolmentTokens, options.Value.BatchSize)
{
    private const string Delete =
        """
        delete from enrolment_tokens
        where id in (
            select id
            from enrolment_tokens
            where expires_at < clock() - $1::interval
            order by expires_at
            limit $2
            for update skip locked
        )
        """;
}
