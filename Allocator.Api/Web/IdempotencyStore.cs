using System.Text.Json;
using Allocator.Api.Data;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Web;

/// <summary>Where a request stands that carries an Idempotency-Key.</summary>
internal abstract record IdempotencyState
{
    /// <summary>It is the first: it is to be carried out.</summary>
    public sealed record New : IdempotencyState;

    /// <summary>It was carried out before, and this came of it.</summary>
    public sealed record Replay(int Status, string Location, string Body) : IdempotencyState;

    /// <summary>The first one is still under way.</summary>
    public sealed record InProgress : IdempotencyState;

    /// <summary>The key was given to another request.</summary>
    public sealed record AnotherRequest : IdempotencyState;
}

/// <summary>Remembers what has been created under which Idempotency-Key. The primary key decides who comes first.</summary>
internal sealed class IdempotencyStore(NpgsqlDataSource database)
{
    /// <summary>How long a key stands for one request.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromHours(24);

    /// <summary>A first request that has not ended after so long has died with its replica.</summary>
    private static readonly TimeSpan DiesAfter = TimeSpan.FromMinutes(1);

    private const string Begin =
        """
        insert into idempotency_keys as known (caller, key, request_hash)
        values ($1, $2, $3)
        on conflict (caller, key) do update
        set request_hash = excluded.request_hash, started_at = clock(), status = null, location = null, body = null
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

    private const string Forget =
        """
        delete from idempotency_keys
        where caller = $1 and key = $2 and status is null
        """;

    public async Task<IdempotencyState> BeginAsync(string caller, string key, byte[] requestHash, CancellationToken cancel)
    {
        await using var begin = database.Command(Begin, caller, key, requestHash, KeptFor, DiesAfter);
        if (await begin.ExecuteScalarAsync(cancel) is not null)
        {
            return new IdempotencyState.New();
        }
        await using var find = database.Command(Find, caller, key);
        await using var row = await find.ExecuteReaderAsync(cancel);
        // No row: the first one has just come to nothing, and the next try is a first.
        return !await row.ReadAsync(cancel) ? new IdempotencyState.InProgress()
            : !row.GetFieldValue<byte[]>(0).AsSpan().SequenceEqual(requestHash) ? new IdempotencyState.AnotherRequest()
            : row.IsDBNull(1) ? new IdempotencyState.InProgress()
            : new IdempotencyState.Replay(row.GetInt32(1), row.GetString(2), row.GetString(3));
    }

    public Task FinishAsync(string caller, string key, int status, string location, Assignment created) => database.Command(
        Finish, caller, key, status, location, JsonSerializer.Serialize(created, WireJson.Default.Assignment)).ExecuteAsync(CancellationToken.None);

    /// <summary>Nothing was created: the same request may be tried again.</summary>
    public Task ForgetAsync(string caller, string key) => database.Command(Forget, caller, key).ExecuteAsync(CancellationToken.None);
}
