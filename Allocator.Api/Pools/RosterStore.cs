using System.Data;
using Allocator.Api.Data;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Pools;

/// <summary>Stores the people that a pool admits.</summary>
internal sealed class RosterStore(NpgsqlDataSource database)
{
    private const string Replace =
        $"""
        with pool as (
            select name, (select count(*) from roster where pool = name) as people
            from pools
            where name = $1
        ),
        given as (
            select email_key, email
            from unnest($2::text[], $3::text[]) as person(email_key, email)
        ),
        removed as (
            delete from roster
            where pool = $1 and email_key <> all ($2::text[])
            returning 1
        ),
        added as (
            insert into roster (pool, email_key, email)
            select pool.name, given.email_key, given.email
            from pool, given
            on conflict (pool, email_key) do nothing
            returning 1
        ),
        event as (
            insert into events (actor, action, pool, detail)
            select
                $4,
                case when cardinality($2::text[]) = 0 then '{EventActions.RosterRemoved}' else '{EventActions.RosterChanged}' end,
                name,
                jsonb_build_object(
                    'before', jsonb_build_object('people', people),
                    'after', jsonb_build_object('people', cardinality($2::text[])),
                    'added', (select count(*) from added), 'removed', (select count(*) from removed))
            from pool
            where exists (select from added) or exists (select from removed)
        )
        select 1
        from pool
        """;

    private const string List =
        """
        select email
        from roster
        where pool = $1 and email_key > $2
        order by email_key
        limit $3
        """;

    private const string Exists =
        """
        select 1
        from pools
        where name = $1
        """;

    /// <param name="people">The addresses by their keys; an empty roster is removed, and the pool admits everybody.</param>
    /// <returns>False if there is no such pool.</returns>
    public async Task<bool> ReplaceAsync(string pool, IReadOnlyDictionary<string, string> people, string actor, CancellationToken cancel)
    {
        await using var command = database.Command(Replace, pool, people.Keys.ToArray(), people.Values.ToArray(), actor);
        return await command.ExecuteScalarAsync(cancel) is not null;
    }

    public Task<List<RosterEntry>> ListAsync(string pool, string after, int limit, CancellationToken cancel) =>
        database.Command(List, pool, after, limit).ListAsync(row => new RosterEntry(row.GetString("email")), cancel);

    public async Task<bool> PoolExistsAsync(string pool, CancellationToken cancel)
    {
        await using var command = database.Command(Exists, pool);
        return await command.ExecuteScalarAsync(cancel) is not null;
    }
}
