using Allocator.Api.Data;
using Allocator.Api.Security;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Vms;

/// <summary>What came of making tokens.</summary>
internal abstract record MakingOutcome
{
    public sealed record Made(IReadOnlyList<NewEnrolmentToken> Tokens) : MakingOutcome;

    public sealed record UnknownPool : MakingOutcome;

    /// <summary>They would have expired before they were made.</summary>
    public sealed record AlreadyExpired : MakingOutcome;
}

/// <summary>A token that a machine presented: what it is good for.</summary>
internal sealed record PresentedToken(Guid Id, string? Pool, string? Hostname, bool IsExpired);

/// <summary>Enrolment tokens that admins make. How a machine uses one is the enrolment's own statement: see <see cref="VmStore"/>.</summary>
internal sealed class EnrolmentTokenStore(NpgsqlDataSource database)
{
    public static readonly TimeSpan DefaultLifetime = TimeSpan.FromDays(1);

    private const string Make =
        $"""
        with pool as (
            select $3::text is null or exists (select from pools where name = $3) as is_known
        ),
        made as (
            insert into enrolment_tokens (id, token_hash, pool, hostname, uses, created_by, expires_at)
            select new.id, new.hash, $3, $4, $5, $6, coalesce($7::timestamptz, clock() + $8::interval)
            from unnest($1::uuid[], $2::bytea[]) as new (id, hash), pool
            where pool.is_known and coalesce($7::timestamptz > clock(), true)
            returning enrolment_tokens
        ),
        event as (
            insert into events (actor, action, pool, hostname, detail)
            select $6, '{EventActions.EnrolmentTokenMade}', (enrolment_tokens).pool, (enrolment_tokens).hostname, enrolment_token_facts(enrolment_tokens)
            from made
        )
        select is_known, (select min((enrolment_tokens).expires_at) from made)
        from pool
        """;

    private const string Find =
        """
        select id, pool, hostname, expires_at <= clock()
        from enrolment_tokens
        where token_hash = $1
        """;

    private const string List =
        """
        select id, pool, hostname, uses, uses - cardinality(used_by), expires_at, last_used_by, last_used_at, created_by, created_at
        from enrolment_tokens
        where ($1::text is null or pool = $1)
            and ($2::text is null or hostname = $2)
            and id > $3
        order by id
        limit $4
        """;

    private const string Delete =
        $"""
        with deleted as (
            delete from enrolment_tokens
            where id = $1
            returning enrolment_tokens
        )
        insert into events (actor, action, pool, hostname, detail)
        select $2, '{EventActions.EnrolmentTokenDeleted}', (enrolment_tokens).pool, (enrolment_tokens).hostname, enrolment_token_facts(enrolment_tokens)
        from deleted
        """;

    public async Task<MakingOutcome> MakeAsync(EnrolmentTokenRequest request, string actor, CancellationToken cancel)
    {
        // In the order in which the list will show them.
        var ids = Enumerable.Range(0, request.Count).Select(_ => Guid.CreateVersion7()).Order();
        var tokens = ids.Select(id => (Id: id, Token: EnrolmentAuthentication.CreateToken())).ToArray();
        await using var command = database.Command(
            Make, tokens.Select(token => token.Id).ToArray(), tokens.Select(token => TokenHash.Of(token.Token).ToArray()).ToArray(),
            request.Pool, request.Hostname is null ? null : Hostname.Normalise(request.Hostname), request.Uses, actor,
            request.ExpiresAt?.ToUniversalTime(), request.ValidFor ?? DefaultLifetime);
        await using var reader = await command.ExecuteReaderAsync(cancel);
        await reader.ReadAsync(cancel);
        return (reader.GetBoolean(0), reader.GetOrNull<DateTime>(1)) switch
        {
            (false, _) => new MakingOutcome.UnknownPool(),
            (_, null) => new MakingOutcome.AlreadyExpired(),
            (_, { } expiresAt) => new MakingOutcome.Made([.. tokens.Select(token => new NewEnrolmentToken(token.Id, token.Token, expiresAt))]),
        };
    }

    /// <summary>The token of this hash, alive or expired; null where there is none.</summary>
    public Task<PresentedToken?> FindAsync(TokenHash hash, CancellationToken cancel) => database.Command(Find, hash.ToArray())
        .FirstAsync(row => new PresentedToken(row.GetGuid(0), row.GetStringOrNull(1), row.GetStringOrNull(2), row.GetBoolean(3)), cancel);

    public Task<List<EnrolmentToken>> ListAsync(string? pool, string? hostname, Guid after, int limit, CancellationToken cancel) =>
        database.Command(List, pool, hostname, after, limit).ListAsync(Read, cancel);

    /// <returns>Whether there was such a token.</returns>
    public async Task<bool> DeleteAsync(Guid id, string actor, CancellationToken cancel) =>
        await database.Command(Delete, id, actor).ExecuteAsync(cancel) == 1;

    private static EnrolmentToken Read(NpgsqlDataReader row) => new(
        row.GetGuid(0),
        row.GetStringOrNull(1),
        row.GetStringOrNull(2),
        row.GetInt32(3),
        row.GetInt32(4),
        row.GetDateTime(5),
        row.GetStringOrNull(6),
        row.GetOrNull<DateTime>(7),
        row.GetString(8),
        row.GetDateTime(9));
}
