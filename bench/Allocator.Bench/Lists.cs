using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Allocator.Api.Data;
using Npgsql;

namespace Allocator.Bench;

/// <summary>
/// Measures the requests of an admin in a large deployment: the first and a later page of every list, one VM and one pool.
/// The requests use HTTP, and only the database caches.
/// </summary>
internal static class Lists
{
    private const int Vms = 100_000;
    private const int Pools = 40;
    private const int Assigned = 20_000;
    private const int Waiting = 2_000;
    private const int Ended = 200_000;
    private const int Events = 1_000_000;
    private const int Roster = 10_000;
    private const int LaterPage = 8;
    private const string Key = "bench-admin";

    private static readonly string[] Paths =
    [
        "/vms", "/vms?pool=p-7", "/vms?state=assigned", "/vms?status=error", "/vms?presence=lost", "/vms?hold=held", "/vms?gpu=unhealthy",
        "/vms?assignment=connected", "/vms?assignment=none", "/vms?free=true", "/vms?text=m-77", "/vms?text=person-123", "/vms?limit=1000",
        "/assignments", "/assignments?pool=p-7", "/assignments?state=waiting", "/assignments?state=connected", "/assignments?state=ended",
        "/assignments?hostname=vm-77", "/assignments?email=person-77@example.org", "/assignments?text=person-123", "/assignments?limit=1000",
        "/pools", "/pools/p-7", "/pools/p-7/roster", "/vms/vm-77",
        "/events", "/events?order=desc", "/events?hostname=vm-77", "/events?pool=p-7&order=desc", "/events?email=person-77@example.org",
            "/events?action=vm_lost&order=desc",
    ];

    public static async Task<Table> RunAsync(Database database, bool full)
    {
        var rounds = full ? 100 : 20;
        var connectionString = await database.CreateAsync("lists");
        await Database.FillAsync(connectionString, FillAsync);
        await using var api = await Server.StartApiAsync(
            connectionString, new KeyValuePair<string,
                string>("Admin__ApiKeys__lists", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Key)))));
        using var http = new HttpClient { BaseAddress = api.Address, DefaultRequestHeaders = { { "X-Api-Key", Key } } };
        var table = new Table(
            "Requests of an admin",
            $"""
            {Vms:N0} VMs in {Pools} pools, {Assigned:N0} of them assigned, {Waiting:N0} people waiting, {Ended:N0} past assignments,
            {Events:N0} events, a roster of {Roster:N0}. Pages have 100 entries unless the path sets a limit; *later* is page
            {LaterPage}, or the last one. {rounds} times each, one after the other, from the request to the last byte; the replica has
            one core, the client and PostgreSQL have the other.
            """,
            ["list", "first page, p50", "… slowest", "later page, p50", "… slowest", "rows"]);
        foreach (var path in Paths)
        {
            var later = path;
            var rows = 0;
            for (var page = 1; page < LaterPage; page++)
            {
                using var answer = JsonDocument.Parse(await http.GetStringAsync(later));
                // Pools are returned as an array; one VM or pool is an object without items.
                var root = answer.RootElement;
                var isPage = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("items", out _);
                var items = isPage ? root.GetProperty("items") : root;
                rows = items.ValueKind == JsonValueKind.Array ? items.GetArrayLength() : 1;
                if (!isPage || !root.TryGetProperty("next", out var next) || next.GetString() is not { } after)
                {
                    break;
                }
                later = $"{path}{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}after={Uri.EscapeDataString(after)}";
            }
            var (first, then) = (await TimeAsync(path), later == path ? null : await TimeAsync(later));
            table.Add($"`{path}`", Text(first, 0.5), Text(first, 1), Text(then, 0.5), Text(then, 1), $"{rows:N0}");
        }
        return table;

        async Task<double[]> TimeAsync(string path)
        {
            var times = new double[rounds];
            for (var i = -3; i < rounds; i++)
            {
                var started = Stopwatch.GetTimestamp();
                await http.GetByteArrayAsync(path);
                times[Math.Max(i, 0)] = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            }
            return times;
        }

        static string Text(double[]? times, double share) => times is null ? "–" : $"{times.Percentile(share):0.0} ms";
    }

    private static async Task FillAsync(NpgsqlDataSource database)
    {
        await Sql.ExecuteAsync(database.Command("insert into pools (name) select 'p-' || i from generate_series(1, $1) i", Pools), default);
        await Database.AddVmsAsync(database, 1, Vms);
        string[] statements =
        [
            $"""
            update vms
            set pool = 'p-' || (1 + substr(hostname, 4)::int % {Pools}),
                status = case when substr(hostname, 4)::int % 100 = 0 then 'error' else status end,
                lost_at = case when substr(hostname, 4)::int % 33 = 0 then now() end,
                hold = case when substr(hostname, 4)::int % 101 = 0 then 'held' end,
                gpu = case when substr(hostname, 4)::int % 51 = 0 then 'unhealthy' end
            """,
            $"""
            insert into assignments (id, pool, email, email_key, state, end_reason, requested_at, ended_at)
            select gen_random_uuid(), 'p-' || (1 + i % {Pools}),
                'person-' || i || '@example.org', 'person-' || i || '@example.org', 'ended', 'released',
                now() - interval '1 day', now() - interval '20 hours'
            from generate_series(1, {Ended}) i
            """,
            $"""
            insert into assignments (id, pool, email, email_key, state, hostname, generation, assigned_at, received_at, connected_at, connect_url)
            select gen_random_uuid(), pool, 'person-' || i || '@example.org', 'person-' || i || '@example.org',
                case when i % 10 = 0 then 'assigned' else 'connected' end, hostname, generation + 1, now(), now(),
                case when i % 10 > 0 then now() end, case when i % 10 > 0 then 'https://example.org/' || i end
            from (select *, substr(hostname, 4)::int as i from vms) vm
            where i % {Vms / Assigned} = 0 and status = 'running' and hold is null
            """,
            "update vms set assignment_id = a.id from assignments a where a.live_hostname = vms.hostname",
            $"""
            insert into assignments (id, pool, email, email_key)
            select gen_random_uuid(), 'p-' || (1 + i % {Pools}),
                'waiting-' || i || '@example.org', 'waiting-' || i || '@example.org'
            from generate_series(1, {Waiting}) i
            """,
            $"""
            insert into events (at, actor, action, pool, hostname, assignment_id, detail)
            select now() - interval '1 day' + i * interval '80 milliseconds', 'vm:vm-' || (1 + i % {Vms}),
                (array['assigned', 'received', 'connected', 'released', 'clean', 'vm_lost', 'vm_found', 'reported'])[1 + i % 8],
                'p-' || (1 + i % {Pools}), 'vm-' || (1 + i % {Vms}), null, jsonb_build_object('number', i)
            from generate_series(1, {Events}) i
            """,
            $"insert into roster (pool, email_key, email) select 'p-7', 'person-' || i || '@example.org', 'Person-' || i || '@example.org' from "
                + $"generate_series(1, {Roster}) i",
        ];
        foreach (var statement in statements)
        {
            await Sql.ExecuteAsync(database.Command(statement), default);
        }
    }
}
