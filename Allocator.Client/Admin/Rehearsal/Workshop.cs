using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Allocator.Contracts;
using Allocator.Polling;
using Refit;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>
/// A whole workshop, played against a real deployment: VMs enrol and poll, people come, get one, stay, and give it back.
/// </summary>
internal sealed class Workshop(Plan plan, IAdminApi admin, OwnPool pool, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LookAtConnectionsEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BrowserTimeout = TimeSpan.FromMinutes(1);

    /// <summary>Of the requests; a few that are repeated hurt nobody.</summary>
    private const double TolerableFailures = 0.01;

    private readonly Traffic _traffic = new(time, Open(plan.Url));

    private readonly List<ConnectionHealth> _connections = [];
    private TimeSpan _late;

    public Witness Witness { get; } = new(time);

    public void Dispose() => _traffic.Dispose();

    public async Task<Report> PlayAsync(CancellationToken cancel)
    {
        var startedAt = time.GetUtcNow().UtcDateTime;
        await LookAtConnectionsAsync(cancel);
        var tokens = await pool.MakeAsync(plan.Vms, cancel);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var watching = Task.WhenAll(pool.RenewAsync(over.Token), WatchAsync(over.Token), TimeTimersAsync(over.Token));
        var options = new AllocatorClientOptions { Url = plan.Url };
        var api = RestService.ForGenerated<IAllocatorApi>(Http(new ResponseBuffer { InnerHandler = _traffic }, options.RequestTimeout), Refit());
        var vms = Enumerable.Range(0, plan.Vms).Select(number => new PlayedVm(plan, number, tokens[number % tokens.Count], api, Witness, time)).ToList();
        var findings = new List<Finding>();
        try
        {
            await Task.WhenAll(vms.Select(vm => vm.StartAsync()));
            if (await UntilFreeAsync(cancel))
            {
                findings.Add(new Finding("vmsReady", true, Text($"All {plan.Vms:N0} VMs enrolled and were free."), []));
                await PlayPeopleAsync(cancel);
                var clean = await UntilFreeAsync(cancel);
                findings.Add(new Finding("vmsClean", clean, clean
                    ? "At the end every VM was clean and free again."
                    : Text($"At the end only {Witness.Free:N0} of {plan.Vms:N0} VMs were clean and free again."), []));
            }
            else
            {
                findings.Add(new Finding("vmsReady", false, Text($"Only {Witness.Free:N0} of {plan.Vms:N0} VMs enrolled and became free; so nobody came."), []));
            }
        }
        finally
        {
            await over.CancelAsync();
            await Task.WhenAll(vms.Select(vm => vm.DisposeAsync().AsTask()));
            await watching;
        }
        var visits = Witness.Visits.ToList();
        var judge = new Judge([.. vms.Select(vm => vm.Seen)], visits, id => EventsAsync(id, cancel));
        if (visits.Count > 0)
        {
            findings.InsertRange(1, await judge.JudgeAsync());
        }
        findings.AddRange([Requests(), Connections()]);
        return Write(startedAt, findings, judge, visits.Count);
    }

    private async Task PlayPeopleAsync(CancellationToken cancel)
    {
        var api = RestService.ForGenerated<IPersonApi>(Http(_traffic, BrowserTimeout), Refit());
        using var giveUp = new CancellationTokenSource();
        var from = Witness.Now;
        var people = Task.WhenAll(Enumerable.Range(0, plan.People).Select(number =>
            new PlayedPerson(plan, number, pool.AccessCode, api, Witness, time).LiveAsync(giveUp.Token, cancel)));
        try
        {
            while (await Task.WhenAny(people, Task.Delay(LookEvery, time, cancel)) != people)
            {
                await LookAtPoolAsync(cancel);
                if (Witness.Now - from > plan.Arrival && Witness.Idle > plan.Stay + plan.Timeout)
                {
                    await giveUp.CancelAsync();
                }
            }
        }
        finally
        {
            await people.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await people;
    }

    /// <summary>Until the allocator counts all VMs as free.</summary>
    /// <returns>False where nothing happens any more.</returns>
    private async Task<bool> UntilFreeAsync(CancellationToken cancel)
    {
        // People may have gone because nothing happened: their VMs still get the time to clean.
        var from = Witness.Now;
        while (true)
        {
            await LookAtPoolAsync(cancel);
            if (Witness.Free == plan.Vms || (Witness.Idle > plan.Timeout && Witness.Now - from > plan.Timeout))
            {
                return Witness.Free == plan.Vms;
            }
            await Task.Delay(LookEvery, time, cancel);
        }
    }

    private async Task LookAtPoolAsync(CancellationToken cancel)
    {
        using var reply = await admin.FindPoolAsync(plan.Pool, cancel);
        cancel.ThrowIfCancellationRequested();
        if (reply is { IsSuccessful: true, Content: { } now })
        {
            Witness.Free = (int)now.Vms.Free;
        }
    }

    private async Task WatchAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(LookAtConnectionsEvery, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
            {
                await LookAtConnectionsAsync(cancel);
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // The rehearsal is over.
        }
    }

    private async Task LookAtConnectionsAsync(CancellationToken cancel)
    {
        using var reply = await admin.FindConnectionsAsync(cancel);
        if ((reply.Content ?? OfRefusal(reply)) is { ActiveConnections: not null } health)
        {
            _connections.Add(health);
        }

        // When the connections run out, the answer is 503, and yet says how many there are.
        static ConnectionHealth? OfRefusal(IApiResponse reply)
        {
            try
            {
                return (reply.Error as ApiException)?.Content is { } body ? JsonSerializer.Deserialize(body, WireJson.Default.ConnectionHealth) : null;
            }
            catch (JsonException)
            {
                return null;
            }
        }
    }

    /// <summary>Whether this machine can keep up.</summary>
    private async Task TimeTimersAsync(CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            var started = time.GetTimestamp();
            await Task.Delay(LookEvery, time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var late = time.GetElapsedTime(started) - LookEvery;
            _late = late > _late ? late : _late;
        }
    }

    /// <summary>None where they cannot be had: then they excuse nothing.</summary>
    private async Task<IReadOnlyList<EventRecord>> EventsAsync(Guid assignment, CancellationToken cancel)
    {
        using var reply = await admin.ListEventsAsync(null, $"{assignment}", null, null, null, null, null, null, null, null, 1_000, cancel);
        return reply.Content?.Items ?? [];
    }

    private Finding Requests()
    {
        var (failed, all) = (_traffic.Failures.Values.Sum(), _traffic.Requests);
        return new Finding("requests", failed <= all * TolerableFailures,
            failed == 0 ? "No request failed." : Text($"{failed:N0} of {all:N0} requests failed and were made again."), []);
    }

    private Finding Connections()
    {
        var most = _connections.MaxBy(health => health.ActiveConnections);
        return new Finding("connections", _connections.TrueForAll(health => !health.Critical), most is null
            ? "Nobody could say how many connections the database has."
            : Text($"The database had at most {most.ActiveConnections:N0} of {most.MaxConnections:N0} connections{(most.Critical ? ", which is too near to the end" : "")}."), []);
    }

    private Report Write(DateTime startedAt, List<Finding> findings, Judge judge, int visits)
    {
        var most = _connections.MaxBy(health => health.ActiveConnections);
        using var process = Process.GetCurrentProcess();
        var seconds = Witness.Now.TotalSeconds;
        var pickups = judge.Pickups();
        return new Report(
            findings.TrueForAll(finding => finding.Passed), plan.Url, plan.Pool, startedAt, seconds, plan.Vms, plan.People, visits,
            plan.Arrival.TotalSeconds, plan.Stay.TotalSeconds, findings,
            Quantiles.Of(pickups[true]), Quantiles.Of(pickups[false]), pickups[false].Count(), Quantiles.Of(judge.Connections()), Quantiles.Of(_traffic.PollSeconds), Quantiles.Of(_traffic.PageSeconds),
            _traffic.PollSeconds.Count, _traffic.NotModifiedShare, _traffic.Requests, _traffic.Requests / seconds, _traffic.Peak, _traffic.Failures,
            new ConnectionsSeen(_connections.FirstOrDefault()?.ActiveConnections, most?.ActiveConnections, most?.MaxConnections, most?.ReplicasSeen, most?.ConnectionBudget),
            new Effort(process.TotalProcessorTime.TotalSeconds, process.PeakWorkingSet64 / 1048576.0, _late.TotalSeconds));
    }

    private HttpClient Http(HttpMessageHandler handler, TimeSpan timeout) => new(handler, disposeHandler: false) { BaseAddress = plan.Url, Timeout = timeout };

    /// <summary>As the library does it, but for thousands: what is idle goes before the load balancer closes it.</summary>
    private static SocketsHttpHandler Open(Uri url)
    {
        var connections = Polling.Connections.Create(new AllocatorClientOptions { Url = url });
        connections.PooledConnectionIdleTimeout = TimeSpan.FromSeconds(20);
        return connections;
    }

    private static RefitSettings Refit() =>
        new(new SystemTextJsonContentSerializer(new JsonSerializerOptions(JsonSerializerDefaults.Web) { TypeInfoResolver = WireJson.Default }));

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
