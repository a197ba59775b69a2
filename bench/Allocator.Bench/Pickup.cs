using System.Collections.Concurrent;
using System.Diagnostics;
using Allocator.Bench.Load;

namespace Allocator.Bench;

/// <summary>Measures how long a person waits for a VM: three replicas behind HAProxy, and VMs with real timing.</summary>
internal static class Pickup
{
    /// <summary>The interval of requests, which is too long for a rush.</summary>
    private static readonly TimeSpan BetweenPeople = TimeSpan.FromSeconds(7.5);

    /// <summary>The pool name for people who request a VM in the rush pool before the others and do not stay.</summary>
    private const string Early = "early";

    private static readonly TimeSpan UntilAllPolled = TimeSpan.FromSeconds(32);

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    public static async Task<Table[]> RunAsync(bool full)
    {
        (int Vms, int Pools)[] sizes = [(4, 20), (20, 20), (100, 20), (1_000, 10), (10_000, 2), .. full ? [(100_000, 1)] : Array.Empty<(int, int)>()];
        var duration = full ? TimeSpan.FromMinutes(3) : TimeSpan.FromSeconds(34);
        var folder = Directory.CreateTempSubdirectory("allocator-bench-").FullName;
        await using var database = await Database.StartAsync();
        var connectionString = await database.CreateAsync("pickup");

        // Two sets of the same pools: the VMs of one follow the server's hints, those of the other do not.
        var pools = sizes.SelectMany(size => Enumerable.Range(1, size.Pools).Select(i => (Name: $"p{size.Vms}-{i}", size.Vms))).ToArray();
        (string Name, int Vms)[] bursts = [("b1000", 1_000), ("b300", 300), ("b300-rush", 300)];
        var hinted = pools.Concat(bursts).ToArray();
        // In a pool of 100,000 a VM polls every quarter of a millisecond either way.
        var plain = pools.Where(pool => pool.Vms < 100_000).Select(pool => (Name: "plain-" + pool.Name, pool.Vms)).ToArray();
        await Database.FillAsync(connectionString, async data =>
        {
            var next = 1;
            foreach (var (name, vms) in hinted.Concat(plain))
            {
                await Api.Data.Sql.ExecuteAsync(Api.Data.Sql.Command(data, "insert into pools (name) values ($1)", name), default);
                await Database.AddVmsAsync(data, next, next + vms - 1, name);
                next += vms;
            }
        });
        await using var first = await Server.StartApiOnAsync(Server.BothCores, connectionString);
        await using var second = await Server.StartApiOnAsync(Server.BothCores, connectionString);
        await using var third = await Server.StartApiOnAsync(Server.BothCores, connectionString);
        await using var proxy = await Server.StartHaProxyAsync(folder, [first, second, third]);

        var hintedVms = hinted.Sum(pool => pool.Vms);
        using var hintedRequests = PollRequests.OfFleet(1, hintedVms, 1);
        using var plainRequests = PollRequests.OfFleet(1 + hintedVms, plain.Sum(pool => pool.Vms), 1);
        using var withHints = new VisitSimulation(proxy.Address, hintedRequests, 1, obeysHints: true);
        using var withoutHints = new VisitSimulation(proxy.Address, plainRequests, 1 + hintedVms, obeysHints: false);
        // Every VM has polled by now and knows its max-age.
        await Task.Delay(UntilAllPolled, TimeProvider.System);

        _ = (withHints.TakePolls(), withoutHints.TakePolls());
        var waits = new ConcurrentBag<(string Pool, double Seconds, string Hostname)>();
        var visits = Task.WhenAll([
            .. pools.Select(pool => PeopleComeAsync(withHints, pool.Name, duration)),
            .. plain.Select(pool => PeopleComeAsync(withoutHints, pool.Name, duration)),
        ]);
        // The rush begins early enough that every VM of the pool has polled and knows the shorter max-age.
        await Task.Delay(duration - UntilAllPolled, TimeProvider.System);
        await Task.WhenAll([Task.Delay(UntilAllPolled, TimeProvider.System), .. Enumerable.Range(0, 12).Select(_ => AskAsync(withHints, Early))]);
        var polls = (Hinted: withHints.TakePolls().Latencies, Plain: withoutHints.TakePolls().Latencies);
        Console.Error.WriteLine("single requests are complete; the last may still be queued");

        // The other two crowds mostly wait for polls, so they can run together.
        await CrowdAsync("b300-rush", 300, TimeSpan.FromSeconds(1));
        await Task.WhenAll(CrowdAsync("b1000", 1_000, TimeSpan.Zero), CrowdAsync("b300", 300, TimeSpan.FromSeconds(1)));
        await visits;
        var steady = new Table(
            "Time from the request until the VM knows",
            $"""
            Three replicas behind HAProxy, {hintedVms + plain.Sum(pool => pool.Vms):N0} VMs polling, on two cores with PostgreSQL and
            the load generator. People arrive in each pool at random, one in {BetweenPeople.TotalSeconds} s, which is no rush; several
            pools of each size, {duration.TotalSeconds:0} s. *Hints off*: VMs that poll every 15–30 s and ignore the server's max-age.
            {withHints.Errors + withoutHints.Errors} calls failed. Polls were answered {polls.Hinted.Percentile(50):0.0} ms (p50) and
            {polls.Hinted.Percentile(99):0} ms (p99) after they were due, with hints off {polls.Plain.Percentile(50):0.0} and
            {polls.Plain.Percentile(99):0}
            ms{(polls.Hinted.Percentile(50) > 100 ? ": the machine is too busy for these figures to mean anything" : "")}.
            """,
            ["free VMs in the pool", "people", "p50", "p95", "p99", "hints off: people", "p50", "p95", "p99"]);
        foreach (var (vms, _) in sizes)
        {
            steady.Add([$"{vms:N0}", .. Cells($"p{vms}-"), .. Cells($"plain-p{vms}-")]);
        }
        var crowds = new Table(
            "Many people at once",
            "As above, but people keep their VMs; the first and the third crowd arrive at the same time. *Rush before*: a dozen people requested "
                + "a VM in the minute before, as before a class, so the VMs already poll with the shorter max-age. *VMs different* is counted from "
                + "the answers that the VMs received.",
            ["people and VMs", "rush before", "p50", "p95", "p99", "last", "notified", "VMs different"]);
        AddCrowd("b1000", "1,000 at one instant", "no");
        AddCrowd("b300-rush", "300 in one second", "yes");
        AddCrowd("b300", "300 in one second", "no");
        Directory.Delete(folder, recursive: true);
        return [steady, crowds];

        async Task PeopleComeAsync(VisitSimulation visits, string pool, TimeSpan time)
        {
            var until = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
            var people = new List<Task>();
            while (true)
            {
                await Task.Delay(BetweenPeople * 2 * Random.Shared.NextDouble(), TimeProvider.System);
                if (Stopwatch.GetTimestamp() > until)
                {
                    break;
                }
                people.Add(AskAsync(visits, pool));
            }
            await Task.WhenAll(people);
        }

        async Task AskAsync(VisitSimulation visits, string pool)
        {
            var visit = await visits.AskAsync(pool == Early ? "b300-rush" : pool, stays: pool.StartsWith('b'));
            try
            {
                var (hostname, at) = await visit.Notified.Task.WaitAsync(Timeout, TimeProvider.System);
                waits.Add((pool, Stopwatch.GetElapsedTime(visit.Asked, at).TotalSeconds, hostname));
            }
            catch (TimeoutException)
            {
                waits.Add((pool, double.PositiveInfinity, ""));
            }
        }

        async Task CrowdAsync(string pool, int people, TimeSpan within)
        {
            await Task.WhenAll(Enumerable.Range(0, people).Select(async i =>
            {
                await Task.Delay(within * i / people, TimeProvider.System);
                await AskAsync(withHints, pool);
            }));
            Console.Error.WriteLine($"{people:N0} people requested a VM in {pool}");
        }

        void AddCrowd(string pool, string people, string rush)
        {
            var notified = waits.Where(wait => wait.Pool == pool && double.IsFinite(wait.Seconds)).ToArray();
            crowds.Add(
                people, rush, Seconds(notified, 0.5), Seconds(notified, 0.95), Seconds(notified, 0.99), Seconds(notified, 1),
                $"{notified.Length:N0}", $"{notified.Select(wait => wait.Hostname).Distinct().Count():N0}");
        }

        string[] Cells(string prefix)
        {
            var found = waits.Where(wait => wait.Pool.StartsWith(prefix, StringComparison.Ordinal)).ToArray();
            return [found.Length == 0 ? "–" : $"{found.Length:N0}", Seconds(found, 0.5), Seconds(found, 0.95), Seconds(found, 0.99)];
        }
    }

    private static string Seconds((string, double Seconds, string)[] waits, double share) =>
        waits.Length == 0 ? "–" : $"{waits.Select(wait => wait.Seconds).Percentile(share):0.00} s";
}
