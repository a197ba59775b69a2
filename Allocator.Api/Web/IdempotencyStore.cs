using System.Data;
using System.Text.Json;
using Allocator.Api.Data;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Web;

/// <summary>The state of a request that has an Idempotency-Key.</summary>
internal abstract record IdempotencyState
{
    /// <summary>The request is the first one and must be carried out.</summary>
    public sealed record New : IdempotencyState;

    /// <summary>The request was carried out before, with this answer.</summary>
    public sealed record Replay(int Status, string Location, string Body) : IdempotencyState;

    /// <summary>The first request is still being processed.</summary>
    public sealed record InProgress : IdempotencyState;

    /// <summary>The key belongs to another request.</summary>
    public sealed record AnotherRequest : IdempotencyState;
}

/// <summary>Stores the answers of requests by their Idempotency-Key. The primary key decides which of several requests is the first.</summary>
internal sealed class IdempotencyStore(NpgsqlDataSource database)
{
    /// <summary>How long a key stands for one request.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromHours(24);

    /// <summary>After this time, a request without an answer is assumed to have ended with its replica.</summary>
    private static readonly TimeSpan DiesAfter = TimeSpan.FromMinutes(1);

    private const string Begin =
        """
        insert into idempotency_keys as known (caller, key, request_hash)
        values ($1, $2, $3)
        on conflict (caller, key) do update
        set request_hash = excluded.request_hash,
            started_at = clock(),
            status = null,
            location = null,
            body = null,
            is_done = known.is_done and known.started_at >= clock() - $4::interval
        where known.started_at < clock() - $4::interval
            or known.status is null and known.started_at < clock() - $5::interval and known.request_hash = excluded.request_hash
        returning 1
        """;

    private const string Find =
        """
        select request_hash, status, location, body
        from idempotency_keys
        where caller = $1 and key = $2
        """;

    private const string Finish =
        """
        update idempotency_keys
        set status = $3, location = $4, body = $5
        where caller = $1 and key = $2 and status is null
        """;

    /// <summary>Allows the request to be repeated at once. If it was carried out, its key stays, so that it is not carried out again.</summary>
    private const string Release =
        """
        with forgotten as (
            delete from idempotency_keys
            where caller = $1 and key = $2 and status is null and not is_done
        )
        update idempotency_keys
        set started_at = started_at - $3::interval
        where caller = $1 and key = $2 and status is null and is_done
        """;

    public async Task<IdempotencyState> BeginAsync(IdempotencyKey key, byte[] requestHash, CancellationToken cancel)
    {
        await using var begin = database.Command(Begin, key.Caller, key.Value, requestHash, KeptFor, DiesAfter);
        if (await begin.ExecuteScalarAsync(cancel) is not null)
        {
            return new IdempotencyState.New();
        }
        await using var find = database.Command(Find, key.Caller, key.Value);
        await using var row = await find.ExecuteReaderAsync(cancel);
        // Without a row, the first request has just failed; the next attempt will be a first one.
        return !await row.ReadAsync(cancel) ? new IdempotencyState.InProgress()
            : !row.GetFieldValue<byte[]>("request_hash").AsSpan().SequenceEqual(requestHash) ? new IdempotencyState.AnotherRequest()
            : row.IsDBNull("status") ? new IdempotencyState.InProgress()
            : new IdempotencyState.Replay(row.GetInt32("status"), row.GetString("location"), row.GetString("body"));
    }

    public Task FinishAsync(IdempotencyKey key, int status, string location, Assignment assignment) => database.Command(
        Finish, key.Caller, key.Value, status, location, JsonSerializer.Serialize(assignment, WireJson.Default.Assignment))
        .ExecuteAsync(CancellationToken.None);

    /// <summary>Lets the next request with this key be carried out.</summary>
    public Task ReleaseAsync(IdempotencyKey key) =>
        database.Command(Release, key.Caller, key.Value, DiesAfter).ExecuteAsync(CancellationToken.None);
}
