using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Allocator.Contracts;
using Allocator.Polling;
using Refit;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>
/// Simulates a whole workshop against a real deployment: VMs enrol and poll; people request a VM, stay, and release it.
/// </summary>
internal sealed class WorkshopSimulation(RehearsalPlan plan, IAdminApi admin, RehearsalPool pool, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan PoolCheckInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ConnectionCheckInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BrowserTimeout = TimeSpan.FromMinutes(1);

    /// <summary>The share of requests that may fail: each of them is repeated.</summary>
    private const double MaxFailureShare = 0.01;

    private readonly RequestMetrics _requests = new(time, CreateHandler(plan.Url));

    private readonly List<ConnectionHealth> _connections = [];
    private TimeSpan _maxTimerDelay;

    public Recorder Recorder { get; } = new(time);

    public void Dispose() => _requests.Dispose();

    public async Task<RehearsalReport> RunAsync(CancellationToken cancel)
    {
        var startedAt = time.GetUtcNow().UtcDateTime;
        await ReadConnectionsAsync(cancel);
        var tokens = await pool.CreateAsync(plan.Vms, cancel);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var background = Task.WhenAll(pool.RenewAsync(ended.Token), WatchConnectionsAsync(ended.Token), MeasureTimersAsync(ended.Token));
        var timeout = new AllocatorClientOptions { Url = plan.Url }.RequestTimeout;
        var http = CreateClient(new ResponseBuffer { InnerHandler = _requests }, timeout);
        var api = RestService.ForGenerated<IAllocatorApi>(http, CreateRefitSettings());
        var vms = Enumerable.Range(0, plan.Vms)
            .Select(number => new SimulatedVm(plan, number, tokens[number % tokens.Count], api, Recorder, time)).ToList();
        var checks = new List<RehearsalCheck>();
        try
        {
            await Task.WhenAll(vms.Select(vm => vm.StartAsync()));
            var ready = await WaitUntilFreeAsync(cancel);
            checks.Add(new RehearsalCheck("vmsReady", ready, ready
                ? Text($"All {plan.Vms:N0} VMs enrolled and became free.")
                : Text($"Only {Recorder.Free:N0} of {plan.Vms:N0} VMs enrolled and became free, so no people were simulated."), []));
            if (ready)
            {
                await SimulatePeopleAsync(cancel);
                var clean = await WaitUntilFreeAsync(cancel);
                checks.Add(new RehearsalCheck("vmsClean", clean, clean
                    ? "At the end every VM was clean and free again."
                    : Text($"At the end only {Recorder.Free:N0} of {plan.Vms:N0} VMs were clean and free again."), []));
            }
        }
        finally
        {
            await ended.CancelAsync();
            await Task.WhenAll(vms.Select(vm => vm.DisposeAsync().AsTask()));
            await background;
        }
        var visits = Recorder.Visits.ToList();
        var verifier = new Verifier([.. vms.Select(vm => vm.Log)], visits, id => ListEventsAsync(id, cancel));
        if (visits.Count > 0)
        {
            checks.InsertRange(1, await verifier.VerifyAsync());
        }
        checks.AddRange([CheckRequests(), CheckConnections()]);
        return CreateReport(startedAt, checks, verifier, visits.Count);
    }

    private async Task SimulatePeopleAsync(CancellationToken cancel)
    {
        var api = RestService.ForGenerated<IPersonApi>(CreateClient(_requests, BrowserTimeout), CreateRefitSettings());
        using var giveUp = new CancellationTokenSource();
        var started = Recorder.Now;
        var people = Task.WhenAll(Enumerable.Range(0, plan.People).Select(number =>
            new SimulatedPerson(plan, number, pool.AccessCode, api, Recorder, time).RunAsync(giveUp.Token, cancel)));
        try
        {
            while (await Task.WhenAny(people, Task.Delay(PoolCheckInterval, time, cancel)) != people)
            {
                await ReadPoolAsync(cancel);
                if (Recorder.Now - started > plan.Arrival && Recorder.Idle > plan.Stay + plan.Timeout)
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

    /// <summary>Waits until the allocator counts all VMs as free.</summary>
    /// <returns>False if nothing changed for the plan's timeout.</returns>
    private async Task<bool> WaitUntilFreeAsync(CancellationToken cancel)
    {
        // People may have left because nothing changed; their VMs still get the whole timeout to clean.
        var started = Recorder.Now;
        while (true)
        {
            await ReadPoolAsync(cancel);
            if (Recorder.Free == plan.Vms || (Recorder.Idle > plan.Timeout && Recorder.Now - started > plan.Timeout))
            {
                return Recorder.Free == plan.Vms;
            }
            await Task.Delay(PoolCheckInterval, time, cancel);
        }
    }

    private async Task ReadPoolAsync(CancellationToken cancel)
    {
        using var reply = await admin.FindPoolAsync(plan.Pool, cancel);
        cancel.ThrowIfCancellationRequested();
        if (reply is { IsSuccessful: true, Content: { } now })
        {
            Recorder.Free = (int)now.Vms.Free;
        }
    }

    private async Task WatchConnectionsAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(ConnectionCheckInterval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
            {
                await ReadConnectionsAsync(cancel);
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // The rehearsal has ended.
        }
    }

    private async Task ReadConnectionsAsync(CancellationToken cancel)
    {
        using var reply = await admin.FindConnectionsAsync(cancel);
        if ((reply.Content ?? ReadError(reply)) is { ActiveConnections: not null } health)
        {
            _connections.Add(health);
        }

        // When the connections run out, the status is 503 but the body still has the counts.
        static ConnectionHealth? ReadError(IApiResponse reply)
        {
            try
            {
                return (reply.Error as ApiException)?.Content is { } body
                    ? JsonSerializer.Deserialize(body, WireJson.Default.ConnectionHealth)
                    : null;
            }
            catch (JsonException)
            {
                return null;
            }
        }
    }

    /// <summary>Measures how late timers fire, which shows whether this machine keeps up.</summary>
    private async Task MeasureTimersAsync(CancellationToken cancel)
    {
        var interval = PoolCheckInterval;
        while (!cancel.IsCancellationRequested)
        {
            var started = time.GetTimestamp();
            await Task.Delay(interval, time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var delay = time.GetElapsedTime(started) - interval;
            _maxTimerDelay = delay > _maxTimerDelay ? delay : _maxTimerDelay;
        }
    }

    /// <summary>Returns an empty list if the events cannot be read; a move is then treated as an error.</summary>
    private async Task<IReadOnlyList<EventRecord>> ListEventsAsync(Guid assignment, CancellationToken cancel)
    {
        using var reply = await admin.ListEventsAsync(new Dictionary<string, string> { ["assignment"] = $"{assignment}" }, null, 1_000, cancel);
        return reply.Content?.Items ?? [];
    }

    private RehearsalCheck CheckRequests()
    {
        var (failed, all) = (_requests.Failures.Values.Sum(), _requests.Requests);
        return new RehearsalCheck("requests", failed <= all * MaxFailureShare,
            failed == 0 ? "No request failed." : Text($"{failed:N0} of {all:N0} requests failed and were repeated."), []);
    }

    private RehearsalCheck CheckConnections()
    {
        var peak = _connections.MaxBy(health => health.ActiveConnections);
        var critical = peak is { Critical: true } ? ", which is too close to its limit" : "";
        return new RehearsalCheck("connections", _connections.TrueForAll(health => !health.Critical), peak is null
            ? "The number of database connections could not be read."
            : Text($"The database had at most {peak.ActiveConnections:N0} of {peak.MaxConnections:N0} connections{critical}."), []);
    }

    private RehearsalReport CreateReport(DateTime startedAt, List<RehearsalCheck> checks, Verifier verifier, int visits)
    {
        var peak = _connections.MaxBy(health => health.ActiveConnections);
        using var process = Process.GetCurrentProcess();
        var seconds = Recorder.Now.TotalSeconds;
        var pickups = verifier.Pickups();
        return new RehearsalReport
        {
            Passed = checks.TrueForAll(check => check.Passed),
            Url = plan.Url,
            Pool = plan.Pool,
            StartedAt = startedAt,
            Seconds = seconds,
            Vms = plan.Vms,
            People = plan.People,
            Visits = visits,
            ArrivalSeconds = plan.Arrival.TotalSeconds,
            StaySeconds = plan.Stay.TotalSeconds,
            Findings = checks,
            Pickup = Quantiles.Of(pickups[true]),
            Waited = Quantiles.Of(pickups[false]),
            WaitedVisits = pickups[false].Count(),
            Connect = Quantiles.Of(verifier.Connections()),
            Poll = Quantiles.Of(_requests.PollSeconds),
            Page = Quantiles.Of(_requests.PageSeconds),
            Polls = _requests.PollSeconds.Count,
            NotModifiedShare = _requests.NotModifiedShare,
            Requests = _requests.Requests,
            RequestsPerSecond = _requests.Requests / seconds,
            PeakRequestsPerSecond = _requests.Peak,
            Failures = _requests.Failures,
            Connections = new ConnectionUse(
                _connections.FirstOrDefault()?.ActiveConnections, peak?.ActiveConnections, peak?.MaxConnections,
                peak?.ReplicasSeen, peak?.ConnectionBudget),
            Effort = new MachineUse(process.TotalProcessorTime.TotalSeconds, process.PeakWorkingSet64 / 1048576.0, _maxTimerDelay.TotalSeconds),
        };
    }

    private HttpClient CreateClient(HttpMessageHandler handler, TimeSpan timeout) =>
        new(handler, disposeHandler: false) { BaseAddress = plan.Url, Timeout = timeout };

    /// <summary>Creates the library's handler, but closes idle connections before a load balancer does: there are thousands here.</summary>
    private static SocketsHttpHandler CreateHandler(Uri url)
    {
        var handler = Polling.Connections.Create(new AllocatorClientOptions { Url = url });
        handler.PooledConnectionIdleTimeout = TimeSpan.FromSeconds(20);
        return handler;
    }

    private static RefitSettings CreateRefitSettings() =>
        new(new SystemTextJsonContentSerializer(new JsonSerializerOptions(JsonSerializerDefaults.Web) { TypeInfoResolver = WireJson.Default }));

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
