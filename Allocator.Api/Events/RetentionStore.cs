using Allocator.Api.Data;
using Allocator.Api.Web;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Events;

/// <summary>Removes what has been kept for long enough: a small batch each time, so that nobody waits for it.</summary>
internal sealed class RetentionStore(NpgsqlDataSource database, IOptions<RetentionOptions> options)
{
    /// <summary>Local to the transaction: the trigger that keeps events from being changed lets deletions pass.</summary>
    public const string Announce = "select set_config('allocator.retention', 'on', true)";

    private const string RemoveEvents =
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

    private const string RemoveAssignments =
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

    private const string RemoveEnrolmentTokens =
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

    private const string RemoveIdempotencyKeys =
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

    /// <returns>Whether there may be more.</returns>
    public async Task<bool> RemoveAsync(CancellationToken cancel)
    {
        var (kept, batchSize) = (options.Value, options.Value.BatchSize);
        await using var batch = database.Batch(
            (Announce, []),
            (RemoveEvents, [kept.Events, batchSize]),
            (RemoveAssignments, [kept.EndedAssignments, batchSize]),
            (RemoveEnrolmentTokens, [kept.EnrolmentTokens, batchSize]),
            (RemoveIdempotencyKeys, [IdempotencyStore.KeptFor, batchSize]));
        return await batch.ExecuteNonQueryAsync(cancel) >= batchSize;
    }
}
