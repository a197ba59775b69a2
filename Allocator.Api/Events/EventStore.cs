using System.Data;
using System.Text.Json;
using Allocator.Api.Data;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Events;

/// <summary>Selects events; a null matches every event.</summary>
internal sealed record EventFilter(
    string? Hostname = null,
    Guid? Assignment = null,
    string? Email = null,
    string? Pool = null,
    string? Actor = null,
    string? Action = null,
    DateTime? Since = null,
    DateTime? Until = null);

/// <summary>Reads events from the database. Each is written by the statement that makes the change it records.</summary>
internal sealed class EventStore(NpgsqlDataSource database)
{
    /// <summary>Lets deletions pass the trigger that keeps events from being changed, until the end of the transaction.</summary>
    public const string AllowDeletion = "select set_config('allocator.retention', 'on', true)";

    private const string List =
        """
        select id, at, actor, action, pool, hostname, assignment_id, detail
        from events
        where ($1::text is null or hostname = $1)
            and ($2::uuid is null or assignment_id = $2)
            and ($3::text is null or assignment_id = any (array(select id from assignments where email_key = $3)))
            and ($4::text is null or pool = $4)
            and ($5::text is null or actor = $5)
            and ($6::text is null or action = $6)
            and ($7::timestamptz is null or at >= $7)
            and ($8::timestamptz is null or at < $8)
        """;

    private const string OldestFirst =
        $"""
        {List}
            and ($9::bigint is null or id > $9)
        order by id
        limit $10
        """;

    private const string NewestFirst =
        $"""
        {List}
            and ($9::bigint is null or id < $9)
        order by id desc
        limit $10
        """;

    public Task<List<EventRecord>> ListAsync(
        EventFilter filter, bool newestFirst, long? after, int limit, CancellationToken cancel) => database.Command(
        newestFirst ? NewestFirst : OldestFirst,
        filter.Hostname, filter.Assignment, filter.Email is null ? null : EmailKey.Of(filter.Email), filter.Pool, filter.Actor, filter.Action,
        filter.Since?.ToUniversalTime(), filter.Until?.ToUniversalTime(), after, limit).ListAsync(Read, cancel);

    private static EventRecord Read(NpgsqlDataReader row) => new(
        row.GetInt64("id"),
        row.GetDateTime("at"),
        row.GetString("actor"),
        row.GetString("action"),
        row.GetStringOrNull("pool"),
        row.GetStringOrNull("hostname"),
        row.GetOrNull<Guid>("assignment_id"),
        JsonSerializer.Deserialize<JsonElement>(row.GetString("detail")));
}
