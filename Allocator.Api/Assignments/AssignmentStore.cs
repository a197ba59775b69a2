using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using Allocator.Api.Data;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Assignments;

/// <summary>What came of a person's request.</summary>
internal abstract record AskOutcome
{
    /// <summary>They are in the queue now.</summary>
    public sealed record Asked(Assignment Assignment) : AskOutcome;

    /// <summary>They had asked before.</summary>
    public sealed record AskedBefore(Assignment Assignment) : AskOutcome;

    public sealed record UnknownPool : AskOutcome;

    /// <param name="OpensAt">When it opens by itself, where that is set.</param>
    public sealed record PoolClosed(DateTime? OpensAt) : AskOutcome;

    public sealed record WrongAccessCode : AskOutcome;

    public sealed record WrongDomain : AskOutcome;

    public sealed record NotOnRoster : AskOutcome;

    public sealed record TooManyFromAddress : AskOutcome;
}

/// <summary>Assignments in the database, as people and admins use them.</summary>
internal sealed class AssignmentStore(NpgsqlDataSource database)
{
    /// <summary>Of an assignment <c>a</c>. The place in the queue is counted only for those who are in it.</summary>
    private const string Columns =
        $"""
        {PersonColumns},
        case when a.state = 'waiting' then 1 + (
            select count(*)
            from assignments ahead
            where ahead.pool = a.pool and ahead.state = 'waiting' and (ahead.requested_at, ahead.id) < (a.requested_at, a.id)
        ) end,
        {StateColumns}
        """;

    private const string PersonColumns = "a.id, a.pool, a.email, a.state";

    private const string StateColumns =
        """
        a.hostname, a.connect_url, case when a.state = 'connected' then a.pin end, a.attempts,
        a.requested_at, a.assigned_at, a.connected_at, a.expires_at, a.ended_at, a.end_reason,
        case when a.state <> 'ended' then a.expires_at - (select warning from pools where name = a.pool) end,
        a.revision
        """;

    /// <summary>
    /// One at a time from each address, where the pool counts them: the statement that follows in the same transaction
    /// sees what the one before it has done.
    /// </summary>
    private const string TakeAddress =
        """
        select pg_advisory_xact_lock(hashtextextended(name || ' ' || host($2::inet), 0))
        from pools
        where name = $1 and most_per_address is not null
        """;

    /// <summary>
    /// Joins the queue. Of many requests of one person at once, the unique index lets one in. Says in the same breath
    /// why nobody was let in: no such pool (no row), what the door says, or else: asked before.
    /// </summary>
    private const string Ask =
        $$"""
        with door as (
            select name, opens_at, case
                -- Hashes: how long it takes to compare them tells nothing of where the codes differ.
                when access_code is not null
                    and sha256(convert_to(access_code, 'UTF8')) is distinct from sha256(convert_to($6::text, 'UTF8')) then 'wrong_access_code'
                when not pool_is_open(open, opens_at, closes_at) then 'closed'
                when not $9 = any (email_domains) then 'wrong_domain'
                when exists (select from roster where pool = name)
                    and not exists (select from roster where pool = name and email_key = $4) then 'not_on_roster'
                when most_per_address <= (
                    select count(*)
                    from assignments
                    where client_address = $8::inet and pool = name and state <> 'ended'
                ) then 'too_many_from_address'
                else 'open'
            end as verdict
            from pools
            where name = $2
        ),
        asked as (
            insert into assignments (id, pool, email, email_key, code, pin, client_address, trace_parent)
            select $1, name, $3, $4, $5::text, $7::text, $8::inet, $10::text
            from door
            where verdict = 'open'
            on conflict (pool, email_key) where state <> 'ended' do nothing
            returning id, pool
        ),
        event as (
            insert into events (actor, action, pool, assignment_id, detail)
            select 'person', '{{EventActions.Requested}}', pool, id, '{"before": null, "after": {"state": "waiting"} }'
            from asked
        )
        select door.verdict, asked.id is not null, case when door.opens_at > clock() then door.opens_at end
        from door
        left join asked on true
        """;

    /// <summary>A person in the queue who asks again with another command means the new one: codes live for minutes only.</summary>
    private const string RenewCommand =
        $"""
        with renewed as (
            update assignments
            set code = $3, pin = coalesce(pin, $4)
            where pool = $1 and email_key = $2 and state = 'waiting' and code is distinct from $3
            returning id, pool
        )
        insert into events (actor, action, pool, assignment_id)
        select 'person', '{EventActions.CommandRenewed}', pool, id
        from renewed
        """;

    private const string FindLive =
        $"""
        select {Columns}
        from assignments a
        where a.pool = $1 and a.email_key = $2 and a.state <> 'ended'
        """;

    private const string Find =
        $"""
        select {Columns}
        from assignments a
        where a.id = $1
        """;

    /// <summary>Ends an assignment, whatever state it is in.</summary>
    private const string End =
        $"""
        with target as (
            select id, state, case state when 'waiting' then 'cancelled' else 'released' end as reason, $2 as actor
            from assignments
            where id = $1 and state <> 'ended'
            for no key update
        ),
        {EndAssignmentsSql.Ctes}
        select 1
        from assignments
        where id = $1
        """;

    private const string List =
        $"""
        with page as (
            select a.*
            from assignments a
            where {AssignmentFilter.Where}
                and ($7::uuid is null or a.id > $7)
            order by a.id
            limit $8
        ),
        place as (
            select id, row_number() over (partition by pool order by requested_at, id) as position
            from assignments
            where state = 'waiting' and pool in (select pool from page where state = 'waiting')
        )
        select {PersonColumns}, place.position, {StateColumns}
        from page a
        left join place on place.id = a.id
        order by a.id
        """;

    /// <param name="address">Where the request came from.</param>
    public async Task<AskOutcome> AskAsync(
        string pool, string email, string? code, string? accessCode, IPAddress? address, CancellationToken cancel)
    {
        var key = EmailKey.Of(email);
        var pin = NewPin(code);
        // Their earlier assignment may end between the look at the door and the look for it; then the door is open.
        for (var attempt = 1; ; attempt++)
        {
            var id = Guid.CreateVersion7();
            var (door, asked) = await AskOnceAsync(id, pool, email, key, code, accessCode, pin, address, cancel);
            if (asked)
            {
                return new AskOutcome.Asked((await FindAsync(id, cancel))!.Value.Assignment);
            }
            if (door is AskOutcome.UnknownPool or AskOutcome.WrongAccessCode)
            {
                return door;
            }
            if (code is not null)
            {
                await database.Command(RenewCommand, pool, key, code, pin).ExecuteAsync(cancel);
            }
            var live = await database.Command(FindLive, pool, key).ListAsync(Read, cancel);
            if (live is [var before])
            {
                return new AskOutcome.AskedBefore(before.Assignment);
            }
            if (door is not null || attempt == 3)
            {
                return door ?? throw new TimeoutException("The same person asks and ends at the same moment.");
            }
        }
    }

    /// <summary>Six random digits for a desktop that is started by this code.</summary>
    public static string? NewPin(string? code) => code is null ? null : RandomNumberGenerator.GetInt32(1_000_000).ToString("D6", null);

    /// <summary>The assignment and what tells this state of it from another, or null where there is none of that id.</summary>
    public async Task<(Assignment Assignment, string Version)?> FindAsync(Guid id, CancellationToken cancel) =>
        await database.Command(Find, id).ListAsync(Read, cancel) is [var found] ? found : null;

    /// <returns>False where there is none of that id. One that has ended already stays as it is.</returns>
    public async Task<bool> EndAsync(Guid id, string actor, CancellationToken cancel)
    {
        await using var command = database.Command(End, id, actor);
        return await command.ExecuteScalarAsync(cancel) is not null;
    }

    /// <summary>For admins: without the PINs, which are the persons' own.</summary>
    public async Task<List<Assignment>> ListAsync(AssignmentFilter which, Guid? after, int limit, CancellationToken cancel) =>
        [.. (await database.Command(List, [.. which.Values, after, limit]).ListAsync(Read, cancel)).Select(row => row.Assignment with { Pin = null })];

    private async Task<(AskOutcome? Door, bool Asked)> AskOnceAsync(
        Guid id, string pool, string email, string key, string? code, string? accessCode, string? pin, IPAddress? address, CancellationToken cancel)
    {
        var traceParent = Activity.Current is { Recorded: true } request ? request.Id : null;
        await using var batch = database.Batch(
            (TakeAddress, [pool, address]),
            (Ask, [id, pool, email, key, code, accessCode, pin, address, EmailKey.Domain(key), traceParent]));
        try
        {
            await using var row = await batch.ExecuteReaderAsync(cancel);
            await row.NextResultAsync(cancel);
            return await row.ReadAsync(cancel) ? (Verdict(row), row.GetBoolean(1)) : (new AskOutcome.UnknownPool(), false);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ForeignKeyViolation)
        {
            // The pool was deleted in this very moment.
            return (new AskOutcome.UnknownPool(), false);
        }
    }

    /// <summary>What the door says; null: come in.</summary>
    private static AskOutcome? Verdict(NpgsqlDataReader row) => row.GetString(0) switch
    {
        "wrong_access_code" => new AskOutcome.WrongAccessCode(),
        "closed" => new AskOutcome.PoolClosed(row.GetOrNull<DateTime>(2)),
        "wrong_domain" => new AskOutcome.WrongDomain(),
        "not_on_roster" => new AskOutcome.NotOnRoster(),
        "too_many_from_address" => new AskOutcome.TooManyFromAddress(),
        _ => null,
    };

    private static (Assignment Assignment, string Version) Read(NpgsqlDataReader row)
    {
        var assignment = new Assignment(
            row.GetGuid(0),
            row.GetString(1),
            row.GetString(2),
            row.GetEnum<AssignmentState>(3),
            row.GetOrNull<long>(4),
            row.GetStringOrNull(5),
            row.GetStringOrNull(6),
            row.GetStringOrNull(7),
            row.GetInt32(8),
            row.GetDateTime(9),
            row.GetOrNull<DateTime>(10),
            row.GetOrNull<DateTime>(11),
            row.GetOrNull<DateTime>(12),
            row.GetOrNull<DateTime>(13),
            row.GetEnumOrNull<EndReason>(14),
            row.GetOrNull<DateTime>(15));
        return (assignment, $"r{row.GetInt64(16)}p{assignment.Position}");
    }
}
