using System.Data;
using Allocator.Api.Data;
using Allocator.Api.Security;
using Allocator.Api.Web;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Vms;

/// <summary>The outcome of a request to create tokens.</summary>
internal abstract record MakingOutcome
{
    public sealed record Made(IReadOnlyList<NewEnrolmentToken> Tokens) : MakingOutcome;

    public sealed record UnknownPool : MakingOutcome;

    /// <summary>The given expiry is in the past.</summary>
    public sealed record AlreadyExpired : MakingOutcome;
}

/// <summary>A token that a machine presented, with the pool and the host name that it is bound to.</summary>
internal sealed record PresentedToken(Guid Id, string? Pool, string? Hostname, bool IsExpired);

/// <summary>Stores the enrolment tokens that admins create. The statement that enrols a machine uses them up: see <see cref="VmStore"/>.</summary>
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
            select
                $6, '{EventActions.EnrolmentTokenMade}', (enrolment_tokens).pool, (enrolment_tokens).hostname,
                enrolment_token_facts(enrolment_tokens)
            from made
        )
        select is_known, (select min((enrolment_tokens).expires_at) from made) as expires_at
        from pool
        """;

    private const string Find =
        """
        select id, pool, hostname, expires_at <= clock() as is_expired
        from enrolment_tokens
        where token_hash = $1
        """;

    private const string List =
        """
        select
            id, pool, hostname, uses, uses - cardinality(used_by) as uses_left, expires_at, last_used_by, last_used_at, created_by, created_at
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
        select
            $2, '{EventActions.EnrolmentTokenDeleted}', (enrolment_tokens).pool, (enrolment_tokens).hostname,
            enrolment_token_facts(enrolment_tokens)
        from deleted
        """;

    public async Task<MakingOutcome> MakeAsync(EnrolmentTokenRequest request, string actor, CancellationToken cancel)
    {
        // The ids are sorted, because the list shows tokens in the order of their ids.
        var ids = Enumerable.Range(0, request.Count).Select(_ => Guid.CreateVersion7()).Order();
        var tokens = ids.Select(id => (Id: id, Token: EnrolmentAuthentication.CreateToken())).ToArray();
        await using var command = database.Command(
            Make, tokens.Select(token => token.Id).ToArray(), tokens.Select(token => TokenHash.Of(token.Token).ToArray()).ToArray(),
            request.Pool, Hostname.Of(request.Hostname)?.ToString(), request.Uses, actor,
            request.ExpiresAt?.ToUniversalTime(), request.ValidFor ?? DefaultLifetime);
        await using var reader = await command.ExecuteReaderAsync(cancel);
        await reader.ReadAsync(cancel);
        return (reader.GetBoolean("is_known"), reader.GetOrNull<DateTime>("expires_at")) switch
        {
            (false, _) => new MakingOutcome.UnknownPool(),
            (_, null) => new MakingOutcome.AlreadyExpired(),
            (_, { } expiresAt) => new MakingOutcome.Made(
                [.. tokens.Select(token => new NewEnrolmentToken(token.Id, token.Token, expiresAt))]),
        };
    }

    /// <summary>Returns the token with this hash, valid or expired, or null if there is none.</summary>
    public Task<PresentedToken?> FindAsync(TokenHash hash, CancellationToken cancel) => database.Command(Find, hash.ToArray())
        .FirstAsync(
            row => new PresentedToken(
                row.GetGuid("id"), row.GetStringOrNull("pool"), row.GetStringOrNull("hostname"), row.GetBoolean("is_expired")),
            cancel);

    public Task<List<EnrolmentToken>> ListAsync(string? pool, string? hostname, Guid after, int limit, CancellationToken cancel) =>
        database.Command(List, pool, hostname, after, limit).ListAsync(Read, cancel);

    /// <returns>Whether there was such a token.</returns>
    public async Task<bool> DeleteAsync(Guid id, string actor, CancellationToken cancel) =>
        await database.Command(Delete, id, actor).ExecuteAsync(cancel) == 1;

    private static EnrolmentToken Read(NpgsqlDataReader row) => new(
        row.GetGuid("id"),
        row.GetStringOrNull("pool"),
        row.GetStringOrNull("hostname"),
        row.GetInt32("uses"),
        row.GetInt32("uses_left"),
        row.GetDateTime("expires_at"),
        row.GetStringOrNull("last_used_by"),
        row.GetOrNull<DateTime>("last_used_at"),
        row.GetString("created_by"),
        row.GetDateTime("created_at"));
}
