using Allocator.Api.Events;
using Allocator.Api.Web;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Maintenance;

/// <summary>Removes idempotency keys that are too old to be repeated.</summary>
internal sealed class IdempotencyKeyRetentionJob(NpgsqlDataSource database, IOptions<RetentionOptions> options)
    : RetentionJob("remove_idempotency_keys", database, Delete, IdempotencyStore.KeptFor, options.Value.BatchSize)
{
    private const string Delete =
        """
        delete from idempotency_keys
        where (caller, key) in (
            select caller, key
            from idempotency_keys
            where started_at < clock() - $1::interval
            order by started_at
            limit $2
            for update skip locked
        )
        """;
}
