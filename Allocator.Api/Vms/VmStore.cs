using System.Data;
using System.Text.Json;
using Allocator.Api.Data;
using Allocator.Api.Security;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Vms;

/// <summary>The outcome of an enrolment.</summary>
internal abstract record EnrolmentOutcome
{
    public sealed record Enrolled(string Pool) : EnrolmentOutcome;

    public sealed record UnknownPool : EnrolmentOutcome;

    /// <summary>The token has been used up by other machines, or has expired.</summary>
    public sealed record TokenUsed : EnrolmentOutcome;

    /// <summary>Another machine has the host name.</summary>
    public sealed record MachineConflict : EnrolmentOutcome;
}

/// <summary>Stores and reads VMs.</summary>
internal sealed class VmStore(NpgsqlDataSource database)
{
    /// <summary>
    /// Enrols a machine, or gives a known one a new token. A known one keeps its person, its hold and, while it has a person,
    /// its pool. Another machine with the same host name is refused, unless the VM of that name was deleted: then the machine
    /// that takes the name starts with a new record, and only the same machine still has to be cleaned if it was not clean
    /// when it was deleted. Only a successful enrolment uses up a token that an admin created (<c>$6</c>).
    /// </summary>
    private const string Enrol =
        $"""
        with token as (
            -- Machines that race for the last use wait here for the lock, and then see the uses of the others.
            select id
            from enrolment_tokens
            where id = $6
                and expires_at > clock()
                and (cardinality(used_by) < uses or $7 = any (used_by))
            for no key update
        ),
        admitted as (
            select id from token
            union all
            select null where $6::uuid is null
        ),
        pool as (
            select name
            from pools
            where name = $2
        ),
        before as (
            select vm_facts(pool, hold, machine_id, deleted_at is not null) as facts
            from vms
            where hostname = $1
        ),
        enrolled as (
            insert into vms (hostname, pool, machine_id, token_hash, metadata)
            select $1, name, $3, $4, $5::jsonb
            from admitted, pool
            on conflict (hostname) do update
            set token_hash = excluded.token_hash,
                metadata = excluded.metadata,
                pool = case when vms.assignment_id is null then excluded.pool else vms.pool end,
                machine_id = excluded.machine_id,
                status = case when vms.deleted_at is null then vms.status else excluded.status end,
                status_detail = case when vms.deleted_at is null then vms.status_detail end,
                gpu = case when vms.deleted_at is null then vms.gpu end,
                in_use = case when vms.deleted_at is null then vms.in_use end,
                boot_id = case when vms.deleted_at is null then vms.boot_id end,
                startup = case when vms.deleted_at is null then vms.startup end,
                warnings = case when vms.deleted_at is null then vms.warnings else excluded.warnings end,
                hold = case when vms.deleted_at is null then vms.hold end,
                cleaning = vms.cleaning and vms.machine_id = excluded.machine_id,
                enrolled_at = case when vms.deleted_at is null then vms.enrolled_at else excluded.enrolled_at end,
                deleted_at = null
            where vms.machine_id = excluded.machine_id or vms.deleted_at is not null
            returning hostname, pool, hold, machine_id, enrolled_at = clock() as is_new
        ),
        first_poll as (
            insert into liveness (hostname, polled_at)
            select hostname, clock()
            from enrolled
            on conflict (hostname) do update
            set polled_at = excluded.polled_at
        ),
        used as (
            update enrolment_tokens
            set used_by = case when $7 = any (used_by) then used_by else used_by || $7 end,
                last_used_by = $1,
                last_used_at = clock()
            from token, enrolled
            where enrolment_tokens.id = token.id
            returning enrolment_token_facts(enrolment_tokens) as facts
        ),
        token_event as (
            insert into events (actor, action, pool, hostname, detail)
            select 'vm:' || hostname, '{EventActions.EnrolmentTokenUsed}', pool, hostname, facts
            from used, enrolled
        ),
        event as (
            insert into events (actor, action, pool, hostname, detail)
            select
                'vm:' || hostname, case when is_new then '{EventActions.Enrolled}' else '{EventActions.EnrolledAgain}' end,
                pool, hostname,
                jsonb_build_object('before', before.facts, 'after', vm_facts(enrolled.pool, enrolled.hold, enrolled.machine_id, false))
            from enrolled
            left join before on true
        )
        select pool.name as known_pool, enrolled.pool as enrolled_pool
        from admitted
        left join pool on true
        left join enrolled on true
        """;

    /// <summary>
    /// Writes the reported facts; a report that changes none changes no row and records no event. The facts have the names
    /// that they have in the event, which omits <c>startup</c>.
    /// </summary>
    private const string Report =
        $"""
        with before as (
            select status, gpu, in_use as "inUse", boot_id as "bootId", startup, warnings
            from vms
            where hostname = $1
            for no key update
        ),
        after as (
            select
                coalesce($2::text, status) as status, coalesce($3::text, gpu) as gpu, coalesce($4::boolean, "inUse") as "inUse",
                coalesce($5::text, "bootId") as "bootId", coalesce($6::jsonb, startup) as startup, coalesce($7::jsonb, warnings) as warnings
            from before
        ),
        reported as (
            update vms
            set status = after.status, gpu = after.gpu, in_use = after."inUse",
                boot_id = after."bootId", startup = after.startup, warnings = after.warnings,
                status_detail = case when $2::text <> 'error' then null else status_detail end
            from before, after
            where vms.hostname = $1 and before is distinct from after
            returning vms.pool, vms.hostname
        )
        insert into events (actor, action, pool, hostname, detail)
        select
            'vm:' || hostname, '{EventActions.Reported}', pool, hostname,
            jsonb_build_object('before', to_jsonb(before) - 'startup', 'after', to_jsonb(after) - 'startup')
        from reported, before, after
        """;

    private const string Columns =
        """
        v.hostname, v.pool, v.state, v.status, v.lost_at is not null as is_lost, v.hold, v.gpu, v.in_use, v.is_free, v.generation,
        v.assignment_id, a.email, v.enrolled_at, l.polled_at
        """;

    private const string From =
        """
        from vms v
        join liveness l on l.hostname = v.hostname
        left join assignments a on a.id = v.assignment_id
        """;

    /// <summary>Selects the page first and joins the rest to its rows, so that no filter makes it read more of the other tables.</summary>
    private const string List =
        $"""
        with page as (
            select v.hostname
            from vms v
            left join assignments a on a.id = v.assignment_id
            where {VmFilter.Where}
                and v.hostname > {VmFilter.Next1}
            order by v.hostname
            limit {VmFilter.Next2}
        )
        select {Columns}
        {From}
        join page on page.hostname = v.hostname
        order by v.hostname
        """;

    private const string Find =
        $"""
        select {Columns}, v.status_detail, v.boot_id, v.startup, v.metadata, v.cleaning_since, v.warnings, v.unavailable_reasons
        {From}
        where v.hostname = $1 and v.deleted_at is null
        """;

    private const string IsDeleted =
        """
        select deleted_at is not null
        from vms
        where hostname = $1
        """;

    /// <param name="enrolmentToken">The token that admits the machine if an admin created it, or null for one of the settings.</param>
    public async Task<EnrolmentOutcome> EnrolAsync(
        EnrolmentRequest request, string hostname, string pool, TokenHash tokenHash, Guid? enrolmentToken, CancellationToken cancel)
    {
        var metadata = JsonSerializer.Serialize(request.Metadata ?? new Dictionary<string, string>());
        try
        {
            return await database.Command(
                Enrol, hostname, pool, request.MachineId, tokenHash.ToArray(), metadata, enrolmentToken, $"{hostname} {request.MachineId}")
                .FirstAsync<EnrolmentOutcome>(
                    row => row.IsDBNull("known_pool") ? new EnrolmentOutcome.UnknownPool()
                        : row.IsDBNull("enrolled_pool") ? new EnrolmentOutcome.MachineConflict()
                        : new EnrolmentOutcome.Enrolled(row.GetString("enrolled_pool")),
                    cancel)
                ?? new EnrolmentOutcome.TokenUsed();
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ForeignKeyViolation)
        {
            // The pool was deleted at the same moment.
            return new EnrolmentOutcome.UnknownPool();
        }
    }

    public Task ReportAsync(string hostname, VmReport report, CancellationToken cancel) => database.Command(
        Report, hostname, report.Status?.Text(), report.Gpu?.Text(), report.InUse, report.BootId,
        report.Startup is null ? null : JsonSerializer.Serialize(report.Startup),
        report.Warnings is null ? null : JsonSerializer.Serialize(report.Warnings.Where(warning => warning.Value is not null).ToDictionary()))
        .ExecuteAsync(cancel);

    public Task<List<Vm>> ListAsync(VmFilter filter, string after, int limit, CancellationToken cancel) =>
        database.Command(List, [.. filter.Values, after, limit]).ListAsync(ReadVm, cancel);

    public Task<VmDetail?> FindAsync(string hostname, CancellationToken cancel) =>
        database.Command(Find, hostname).FirstAsync(ReadDetail, cancel);

    /// <summary>Returns whether the VM is deleted, or null if there was never one of that name.</summary>
    public async Task<bool?> IsDeletedAsync(string hostname, CancellationToken cancel)
    {
        await using var command = database.Command(IsDeleted, hostname);
        return (bool?)await command.ExecuteScalarAsync(cancel);
    }

    private static Vm ReadVm(NpgsqlDataReader row) => new()
    {
        Hostname = row.GetString("hostname"),
        Pool = row.GetString("pool"),
        State = row.GetEnum<VmState>("state"),
        Status = row.GetEnum<VmStatus>("status"),
        Presence = row.GetBoolean("is_lost") ? VmPresence.Lost : VmPresence.Present,
        Hold = row.GetEnumOrNull<VmHold>("hold"),
        Gpu = row.GetEnumOrNull<GpuHealth>("gpu"),
        InUse = row.GetOrNull<bool>("in_use"),
        Free = row.GetBoolean("is_free"),
        Generation = row.GetInt64("generation"),
        AssignmentId = row.GetOrNull<Guid>("assignment_id"),
        Email = row.GetStringOrNull("email"),
        EnrolledAt = row.GetDateTime("enrolled_at"),
        PolledAt = row.GetDateTime("polled_at"),
    };

    private static VmDetail ReadDetail(NpgsqlDataReader row)
    {
        var vm = new VmDetail(ReadVm(row))
        {
            StatusDetail = row.GetStringOrNull("status_detail"),
            BootId = row.GetStringOrNull("boot_id"),
            Startup = row.GetStringOrNull("startup") is { } startup ? JsonSerializer.Deserialize<Dictionary<string, double>>(startup) : null,
            Metadata = JsonSerializer.Deserialize<Dictionary<string, string>>(row.GetString("metadata"))!,
            CleaningSince = row.GetOrNull<DateTime>("cleaning_since"),
            Warnings = JsonSerializer.Deserialize<Dictionary<string, string>>(row.GetString("warnings"))!,
        };
        return vm with { NotFreeBecause = UnavailableReasons.Explain(row.GetFieldValue<string[]>("unavailable_reasons"), vm) };
    }
}
