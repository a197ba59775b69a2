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
internal sealed class WorkshopSimulation(RehearsalPlan plan, IAdminApi admin, RehearsalPool pool, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LookAtConnectionsEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BrowserTimeout = TimeSpan.FromMinutes(1);

    /// <summary>Of the requests; a few that are repeated hurt nobody.</summary>
    private const double TolerableFailures = 0.01;

    private readonly RequestMetrics _requests = new(time, Open(plan.Url));

    private readonly List<ConnectionHealth> _connections = [];
    private TimeSpan _late;

    public Recorder Recorder { get; } = new(time);

    public void Dispose() => _requests.Dispose();

    public async Task<RehearsalReport> PlayAsync(CancellationToken cancel)
    {
        var startedAt = time.GetUtcNow().UtcDateTime;
        await LookAtConnectionsAsync(cancel);
        var tokens = await pool.MakeAsync(plan.Vms, cancel);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var watching = Task.WhenAll(pool.RenewAsync(over.Token), WatchAsync(over.Token), TimeTimersAsync(over.Token));
        var options = new AllocatorClientOptions { Url = plan.Url };
        var api = RestService.ForGenerated<IAllocatorApi>(Http(new ResponseBuffer { InnerHandler = _requests }, options.RequestTimeout), Refit());
        var vms = Enumerable.Range(0, plan.Vms).Select(number => new SimulatedVm(plan, number, tokens[number % tokens.Count], api, Recorder, time)).ToList();
        var findings = new List<RehearsalCheck>();
        try
        {
            await Task.WhenAll(vms.Select(vm => vm.StartAsync()));
            if (await UntilFreeAsync(cancel))
            {
                findings.Add(new RehearsalCheck("vmsReady", true, Text($"All {plan.Vms:N0} VMs enrolled and were free."), []));
                await PlayPeopleAsync(cancel);
                var clean = await UntilFreeAsync(cancel);
                findings.Add(new RehearsalCheck("vmsClean", clean, clean
                    ? "At the end every VM was clean and free again."
                    : Text($"At the end only {Recorder.Free:N0} of {plan.Vms:N0} VMs were clean and free again."), []));
            }
            else
            {
                findings.Add(new RehearsalCheck("vmsReady", false, Text($"Only {Recorder.Free:N0} of {plan.Vms:N0} VMs enrolled and became free; so nobody came."), []));
            }
        }
        finally
        {
            await over.CancelAsync();
            await Task.WhenAll(vms.Select(vm => vm.DisposeAsync().AsTask()));
            await watching;
        }
        var visits = Recorder.Visits.ToList();
        var verifier = new Verifier([.. vms.Select(vm => vm.Seen)], visits, id => EventsAsync(id, cancel));
        if (visits.Count > 0)
        {
            findings.InsertRange(1, await verifier.VerifyAsync());
        }
        findings.AddRange([Requests(), Connections()]);
        return Write(startedAt, findings, verifier, visits.Count);
    }

    private async Task PlayPeopleAsync(CancellationToken cancel)
    {
        var api = RestService.ForGenerated<IPersonApi>(Http(_requests, BrowserTimeout), Refit());
        using var giveUp = new CancellationTokenSource();
        var from = Recorder.Now;
        var people = Task.WhenAll(Enumerable.Range(0, plan.People).Select(number =>
            new SimulatedPerson(plan, number, pool.AccessCode, api, Recorder, time).LiveAsync(giveUp.Token, cancel)));
        try
        {
            while (await Task.WhenAny(people, Task.Delay(LookEvery, time, cancel)) != people)
            {
                await LookAtPoolAsync(cancel);
                if (Recorder.Now - from > plan.Arrival && Recorder.Idle > plan.Stay + plan.Timeout)
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
        var from = Recorder.Now;
        while (true)
        {
            await LookAtPoolAsync(cancel);
            if (Recorder.Free == plan.Vms || (Recorder.Idle > plan.Timeout && Recorder.Now - from > plan.Timeout))
            {
                return Recorder.Free == plan.Vms;
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
            Recorder.Free = (int)now.Vms.Free;
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

    private RehearsalCheck Requests()
    {
        var (failed, all) = (_requests.Failures.Values.Sum(), _requests.Requests);
        return new RehearsalCheck("requests", failed <= all * TolerableFailures,
            failed == 0 ? "No request failed." : Text($"{failed:N0} of {all:N0} requests failed and were made again."), []);
    }

    private RehearsalCheck Connections()
    {
        var most = _connections.MaxBy(health => health.ActiveConnections);
        return new RehearsalCheck("connections", _connections.TrueForAll(health => !health.Critical), most is null
            ? "Nobody could say how many connections the database has."
            : Text($"The database had at most {most.ActiveConnections:N0} of {most.MaxConnections:N0} connections{(most.Critical ? ", which is too near to the end" : "")}."), []);
    }

    private RehearsalReport Write(DateTime startedAt, List<RehearsalCheck> findings, Verifier verifier, int visits)
    {
        var most = _connections.MaxBy(health => health.ActiveConnections);
        using var process = Process.GetCurrentProcess();
        var seconds = Recorder.Now.TotalSeconds;
        var pickups = verifier.Pickups();
        return new RehearsalReport(
            findings.TrueForAll(finding => finding.Passed), plan.Url, plan.Pool, startedAt, seconds, plan.Vms, plan.People, visits,
            plan.Arrival.TotalSeconds, plan.Stay.TotalSeconds, findings,
            Quantiles.Of(pickups[true]), Quantiles.Of(pickups[false]), pickups[false].Count(), Quantiles.Of(verifier.Connections()), Quantiles.Of(_requests.PollSeconds), Quantiles.Of(_requests.PageSeconds),
            _requests.PollSeconds.Count, _requests.NotModifiedShare, _requests.Requests, _requests.Requests / seconds, _requests.Peak, _requests.Failures,
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
