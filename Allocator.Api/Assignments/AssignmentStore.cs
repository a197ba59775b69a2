using System.Data;
using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using Allocator.Api.Data;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Assignments;

/// <summary>The outcome of a person's request for a VM.</summary>
internal abstract record AskOutcome
{
    /// <summary>The person is in the queue now.</summary>
    public sealed record Asked(Assignment Assignment) : AskOutcome;

    /// <summary>The person has a live assignment already.</summary>
    public sealed record AskedBefore(Assignment Assignment) : AskOutcome;

    public sealed record UnknownPool : AskOutcome;

    /// <param name="OpensAt">The time at which it opens by itself, if that is set.</param>
    public sealed record PoolClosed(DateTime? OpensAt) : AskOutcome;

    public sealed record WrongAccessCode : AskOutcome;

    public sealed record WrongDomain : AskOutcome;

    public sealed record NotOnRoster : AskOutcome;

    public sealed record TooManyFromAddress : AskOutcome;
}

/// <summary>Stores and reads assignments for people and admins.</summary>
internal sealed class AssignmentStore(NpgsqlDataSource database)
{
    /// <summary>The columns of an assignment <c>a</c>. The position is counted only for people in the queue.</summary>
    private const string Columns =
        $"""
        {PersonColumns},
        case when a.state = 'waiting' then 1 + (
            select count(*)
            from assignments ahead
            where ahead.pool = a.pool and ahead.state = 'waiting' and (ahead.requested_at, ahead.id) < (a.requested_at, a.id)
        ) end as position,
        {StateColumns}
        """;

    private const string PersonColumns = "a.id, a.pool, a.email, a.state";

    private const string StateColumns =
        """
        a.hostname, a.connect_url, case when a.state = 'connected' then a.pin end as pin, a.attempts,
        a.requested_at, a.assigned_at, a.connected_at, a.expires_at, a.ended_at, a.end_reason,
        case when a.state <> 'ended' then a.expires_at - (select warning from pools where name = a.pool) end as warn_at,
        a.revision
        """;

    /// <summary>
    /// Serializes the requests from one address in pools that limit them, so that the next statement of this transaction
    /// sees what earlier transactions have done.
    /// </summary>
    private const string TakeAddress =
        """
        select pg_advisory_xact_lock(hashtextextended(name || ' ' || host($2::inet), 0))
        from pools
        where name = $1 and most_per_address is not null
        """;

    /// <summary>
    /// Joins the queue. Of many requests of one person at once, the unique index accepts one. Also returns why a request was
    /// not accepted: no row if there is no such pool, a refusal by the pool's rules, or else a live assignment that exists.
    /// </summary>
    private const string Ask =
        $$"""
        with admission as (
            select name, opens_at, case
                -- Compared by their hashes, so that the time that it takes does not depend on where the codes differ.
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
                else 'admitted'
            end as result
            from pools
            where name = $2
        ),
        asked as (
            insert into assignments (id, pool, email, email_key, code, pin, client_address, trace_parent)
            select $1, name, $3, $4, $5::text, $7::text, $8::inet, $10::text
            from admission
            where result = 'admitted'
            on conflict (pool, email_key) where state <> 'ended' do nothing
            returning id, pool
        ),
        event as (
            insert into events (actor, action, pool, assignment_id, detail)
            select 'person', '{{EventActions.Requested}}', pool, id, '{"before": null, "after": {"state": "waiting"} }'
            from asked
        )
        select admission.result, asked.id is not null as is_new, case when admission.opens_at > clock() then admission.opens_at end as opens_at
        from admission
        left join asked on true
        """;

    /// <summary>Replaces the command of a person in the queue who asks again with another one: codes are valid for minutes only.</summary>
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

    /// <summary>Ends an assignment in any live state.</summary>
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
        queue as (
            select id, row_number() over (partition by pool order by requested_at, id) as position
            from assignments
            where state = 'waiting' and pool in (select pool from page where state = 'waiting')
        )
        select {PersonColumns}, queue.position, {StateColumns}
        from page a
        left join queue on queue.id = a.id
        order by a.id
        """;

    /// <param name="address">The address from which the request came.</param>
    public async Task<AskOutcome> AskAsync(
        string pool, string email, string? code, string? accessCode, IPAddress? address, CancellationToken cancel)
    {
        var key = EmailKey.Of(email);
        var pin = NewPin(code);
        // The earlier assignment may end between the two statements; then the person is admitted at the next attempt.
        for (var attempt = 1; ; attempt++)
        {
            var id = Guid.CreateVersion7();
            var (refusal, asked) = await AskOnceAsync(id, pool, email, key, code, accessCode, pin, address, cancel);
            if (asked)
            {
                return new AskOutcome.Asked((await FindAsync(id, cancel))!.Value.Assignment);
            }
            if (refusal is AskOutcome.UnknownPool or AskOutcome.WrongAccessCode)
            {
                return refusal;
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
            if (refusal is not null || attempt == 3)
            {
                return refusal ?? throw new TimeoutException("The same person asks for a VM and gives it up again and again.");
            }
        }
    }

    /// <summary>Returns six random digits for a remote desktop that is started with this code.</summary>
    public static string? NewPin(string? code) => code is null ? null : RandomNumberGenerator.GetInt32(1_000_000).ToString("D6", null);

    /// <summary>Returns the assignment and the version of its state, or null if there is none with that id.</summary>
    public async Task<(Assignment Assignment, string Version)?> FindAsync(Guid id, CancellationToken cancel) =>
        await database.Command(Find, id).ListAsync(Read, cancel) is [var found] ? found : null;

    /// <returns>False if there is none with that id. One that has ended already is not changed.</returns>
    public async Task<bool> EndAsync(Guid id, string actor, CancellationToken cancel)
    {
        await using var command = database.Command(End, id, actor);
        return await command.ExecuteScalarAsync(cancel) is not null;
    }

    /// <summary>Lists assignments for admins, without the PINs, which only their people may see.</summary>
    public async Task<List<Assignment>> ListAsync(AssignmentFilter filter, Guid? after, int limit, CancellationToken cancel) =>
        [.. (await database.Command(List, [.. filter.Values, after, limit]).ListAsync(Read, cancel))
            .Select(row => row.Assignment with { Pin = null })];

    private async Task<(AskOutcome? Refusal, bool Asked)> AskOnceAsync(
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
            return await row.ReadAsync(cancel) ? (Refusal(row), row.GetBoolean("is_new")) : (new AskOutcome.UnknownPool(), false);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ForeignKeyViolation)
        {
            // The pool was deleted at the same moment.
            return (new AskOutcome.UnknownPool(), false);
        }
    }

    /// <summary>Returns the refusal by the pool's rules, or null if they admit the person.</summary>
    private static AskOutcome? Refusal(NpgsqlDataReader row) => row.GetString("result") switch
    {
        "wrong_access_code" => new AskOutcome.WrongAccessCode(),
        "closed" => new AskOutcome.PoolClosed(row.GetOrNull<DateTime>("opens_at")),
        "wrong_domain" => new AskOutcome.WrongDomain(),
        "not_on_roster" => new AskOutcome.NotOnRoster(),
        "too_many_from_address" => new AskOutcome.TooManyFromAddress(),
        _ => null,
    };

    private static (Assignment Assignment, string Version) Read(NpgsqlDataReader row)
    {
        var assignment = new Assignment(
            row.GetGuid("id"),
            row.GetString("pool"),
            row.GetString("email"),
            row.GetEnum<AssignmentState>("state"),
            row.GetOrNull<long>("position"),
            row.GetStringOrNull("hostname"),
            row.GetStringOrNull("connect_url"),
            row.GetStringOrNull("pin"),
            row.GetInt32("attempts"),
            row.GetDateTime("requested_at"),
            row.GetOrNull<DateTime>("assigned_at"),
            row.GetOrNull<DateTime>("connected_at"),
            row.GetOrNull<DateTime>("expires_at"),
            row.GetOrNull<DateTime>("ended_at"),
            row.GetEnumOrNull<EndReason>("end_reason"),
            row.GetOrNull<DateTime>("warn_at"));
        return (assignment, $"r{row.GetInt64("revision")}p{assignment.Position}");
    }
}
