using System.Diagnostics;
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

    public sealed record PoolClosed : AskOutcome;

    public sealed record WrongAccessCode : AskOutcome;
}

/// <summary>Assignments in the database, as people and admins use them.</summary>
internal sealed class AssignmentStore(NpgsqlDataSource database)
{
    /// <summary>Of an assignment <c>a</c>. The place in the queue is counted only for those who are in it.</summary>
    private const string Columns =
        """
        a.id, a.pool, a.email, a.state,
        case when a.state = 'waiting' then 1 + (
            select count(*)
            from assignments ahead
            where ahead.pool = a.pool and ahead.state = 'waiting' and (ahead.requested_at, ahead.id) < (a.requested_at, a.id)
        ) end,
        a.hostname, a.connect_url, case when a.state = 'connected' then a.pin end, a.attempts,
        a.requested_at, a.assigned_at, a.connected_at, a.expires_at, a.ended_at, a.end_reason, a.revision
        """;

    /// <summary>
    /// Joins the queue. Of many requests of one person at once, the unique index lets one in. Says in the same breath
    /// why nobody was let in: no such pool (no row), a wrong code, closed, or else: asked before.
    /// </summary>
    private const string Ask =
        """
        with door as (
            select name, open, coalesce(access_code = $6::text, access_code is null) as code_is_right
            from pools
            where name = $2
        ),
        asked as (
            insert into assignments (id, pool, email, email_key, code, pin, trace_parent)
            select $1, name, $3, $4, $5::text, $7::text, $8::text
            from door
            where open and code_is_right
            on conflict (pool, email_key) where state <> 'ended' do nothing
            returning id, pool
        ),
        event as (
            insert into events (actor, action, pool, assignment_id)
            select 'person', 'requested', pool, id
            from asked
        )
        select door.open, door.code_is_right, asked.id is not null
        from door
        left join asked on true
        """;

    /// <summary>A person in the queue who asks again with another command means the new one: codes live for minutes only.</summary>
    private const string RenewCommand =
        """
        with renewed as (
            update assignments
            set code = $3, pin = coalesce(pin, $4)
            where pool = $1 and email_key = $2 and state = 'waiting' and code is distinct from $3
            returning id, pool
        )
        insert into events (actor, action, pool, assignment_id)
        select 'person', 'command_renewed', pool, id
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

    /// <summary>
    /// Ends an assignment, whatever state it is in. Whoever holds an assignment's row lock knows what its VM's row says
    /// of it, so the VM is found by name alone; that also finds one that was bound a moment ago.
    /// </summary>
    private const string End =
        """
        with target as (
            select id, state
            from assignments
            where id = $1 and state <> 'ended'
            for no key update
        ),
        ended as (
            update assignments
            set state = 'ended',
                ended_at = clock(),
                end_reason = case target.state when 'waiting' then 'cancelled' else 'released' end,
                code = null,
                pin = null,
                connect_url = null
            from target
            where assignments.id = target.id
            returning assignments.id, pool, hostname, end_reason
        ),
        vm as (
            update vms
            set assignment_id = null, cleaning = true
            from ended
            where vms.hostname = ended.hostname
        ),
        event as (
            insert into events (actor, action, pool, hostname, assignment_id)
            select $2, end_reason, pool, hostname, id
            from ended
        )
        select 1
        from assignments
        where id = $1
        """;

    private const string List =
        $"""
        select {Columns}
        from assignments a
        where ($1::text is null or a.pool = $1)
            and ($2::text is null or a.state = $2)
            and ($3::uuid is null or a.id > $3)
        order by a.id
        limit $4
        """;

    public async Task<AskOutcome> AskAsync(string pool, string email, string? code, string? accessCode, CancellationToken cancel)
    {
        var key = email.ToLowerInvariant();
        var pin = code is null ? null : RandomNumberGenerator.GetInt32(1_000_000).ToString("D6", null);
        // Their earlier assignment may end between the look at the door and the look for it; then the door is open.
        for (var attempt = 1; ; attempt++)
        {
            var id = Guid.CreateVersion7();
            var (door, asked) = await AskOnceAsync(id, pool, email, key, code, accessCode, pin, cancel);
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

    /// <summary>The assignment and its ETag, or null where there is none of that id.</summary>
    public async Task<(Assignment Assignment, string ETag)?> FindAsync(Guid id, CancellationToken cancel) =>
        await database.Command(Find, id).ListAsync(Read, cancel) is [var found] ? found : null;

    /// <returns>False where there is none of that id. One that has ended already stays as it is.</returns>
    public async Task<bool> EndAsync(Guid id, string actor, CancellationToken cancel)
    {
        await using var command = database.Command(End, id, actor);
        return await command.ExecuteScalarAsync(cancel) is not null;
    }

    /// <summary>For admins: without the PINs, which are the persons' own.</summary>
    public async Task<List<Assignment>> ListAsync(string? pool, AssignmentState? state, Guid? after, int limit, CancellationToken cancel) =>
        [.. (await database.Command(List, pool, state?.Text(), after, limit).ListAsync(Read, cancel)).Select(row => row.Assignment with { Pin = null })];

    private async Task<(AskOutcome? Door, bool Asked)> AskOnceAsync(
        Guid id, string pool, string email, string key, string? code, string? accessCode, string? pin, CancellationToken cancel)
    {
        var traceParent = Activity.Current is { Recorded: true } request ? request.Id : null;
        await using var command = database.Command(Ask, id, pool, email, key, code, accessCode, pin, traceParent);
        await using var row = await command.ExecuteReaderAsync(cancel);
        if (!await row.ReadAsync(cancel))
        {
            return (new AskOutcome.UnknownPool(), false);
        }
        var door = !row.GetBoolean(1) ? new AskOutcome.WrongAccessCode()
            : !row.GetBoolean(0) ? new AskOutcome.PoolClosed()
            : (AskOutcome?)null;
        return (door, row.GetBoolean(2));
    }

    private static (Assignment Assignment, string ETag) Read(NpgsqlDataReader row)
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
            row.GetEnumOrNull<EndReason>(14));
        return (assignment, $"\"r{row.GetInt64(15)}p{assignment.Position}\"");
    }
}
