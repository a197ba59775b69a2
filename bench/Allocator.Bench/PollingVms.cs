using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using Allocator.Contracts;

namespace Allocator.Bench;

/// <summary>
/// Simulates VMs that poll as the client does, at intervals that follow the server's max-age, and the people who request
/// them. A visit ends immediately, so that a few VMs serve any number of people: the VM reports `connected`, the person
/// releases it, and the VM reports `clean`.
/// </summary>
internal sealed class PollingVms : IAsyncDisposable
{
    private static readonly TimeSpan FirstPollWithin = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan FeedInterval = TimeSpan.FromSeconds(0.5);

    private readonly CancellationTokenSource _over = new();
    private readonly HttpClient _http;
    private readonly List<Task> _vms = [];
    private readonly ConcurrentDictionary<string, TaskCompletionSource<long>> _asking = new();
    private int _people;
    private long _polls;
    private long _errors;
    private string? _firstError;

    public PollingVms(Uri address) => _http = new HttpClient(new SocketsHttpHandler { PooledConnectionIdleTimeout = TimeSpan.FromMinutes(10) })
    {
        BaseAddress = address,
    };

    public long Polls => Interlocked.Read(ref _polls);

    /// <summary>The number of invalid answers.</summary>
    public long Errors => Interlocked.Read(ref _errors);

    public string? FirstError => Volatile.Read(ref _firstError);

    /// <summary>Lets the VMs up to this number poll as well.</summary>
    public void GrowTo(int vms)
    {
        for (var vm = _vms.Count + 1; vm <= vms; vm++)
        {
            _vms.Add(PollAsync($"vm-{vm}", FleetVms.Token(vm)));
        }
    }

    /// <summary>Requests a VM for one more person; returns null if no VM received the person.</summary>
    public async Task<PickupTimes?> AskAsync(TimeSpan timeout)
    {
        var email = $"person-{Interlocked.Increment(ref _people)}@example.org";
        // The VM may receive the person before the person gets the reply.
        var notified = _asking[email] = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        var started = Stopwatch.GetTimestamp();
        using var response = await _http.PostAsJsonAsync("/assignments", new AssignmentRequest(email));
        var answered = Stopwatch.GetTimestamp();
        response.EnsureSuccessStatusCode();
        try
        {
            var at = await notified.Task.WaitAsync(timeout, TimeProvider.System);
            return new PickupTimes(Stopwatch.GetElapsedTime(started, at), Stopwatch.GetElapsedTime(answered, at));
        }
        catch (TimeoutException)
        {
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await Task.WhenAll(_vms);
        _http.Dispose();
        _over.Dispose();
    }

    private async Task PollAsync(string hostname, string token)
    {
        var vm = new Vm(hostname, token);
        try
        {
            await Task.Delay(FirstPollWithin * Random.Shared.NextDouble(), TimeProvider.System, _over.Token);
            while (true)
            {
                var started = Stopwatch.GetTimestamp();
                await PollAsync(vm);
                // Uses the max-age of a free VM: the one during a visit differs.
                var maxAge = vm.MaxAge;
                if (vm.Answer is { State: VmState.Assigned })
                {
                    await VisitAsync(vm);
                }
                var wait = (maxAge * (1 + Random.Shared.NextDouble())) - Stopwatch.GetElapsedTime(started);
                await Task.Delay(wait > TimeSpan.Zero ? wait : TimeSpan.Zero, TimeProvider.System, _over.Token);
            }
        }
        catch (OperationCanceledException) when (_over.IsCancellationRequested)
        {
            // The scenario has ended.
        }
    }

    private async Task VisitAsync(Vm vm)
    {
        var person = vm.Answer!.Assignment!;
        if (_asking.TryRemove(person.Email, out var notified))
        {
            notified.SetResult(vm.AnsweredAt);
        }
        await ReportAsync(vm, Outcome.Connected);
        await PollAsync(vm);
        using var released = await _http.DeleteAsync($"/assignments/{person.Id}", _over.Token);
        Check(released);
        while (vm.Answer is { State: VmState.Assigned })
        {
            // The replica learns of the release through its feed.
            await Task.Delay(FeedInterval, TimeProvider.System, _over.Token);
            await PollAsync(vm);
        }
        await ReportAsync(vm, Outcome.Clean);
    }

    private async Task PollAsync(Vm vm)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/assignment/{vm.Hostname}");
        request.Headers.Authorization = vm.Authorization;
        request.Headers.TryAddWithoutValidation("If-None-Match", vm.ETag);
        using var response = await _http.SendAsync(request, _over.Token);
        Interlocked.Increment(ref _polls);
        Check(response);
        if (response.StatusCode == HttpStatusCode.OK)
        {
            vm.Answer = await response.Content.ReadFromJsonAsync<VmAssignment>(_over.Token);
        }
        vm.AnsweredAt = Stopwatch.GetTimestamp();
        vm.ETag = response.Headers.ETag?.Tag ?? vm.ETag;
        vm.MaxAge = response.Headers.CacheControl?.MaxAge ?? vm.MaxAge;
    }

    private async Task ReportAsync(Vm vm, Outcome outcome)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, $"/assignment/{vm.Hostname}/outcome")
        {
            Content = JsonContent.Create(new OutcomeReport(vm.Answer!.Generation, outcome)),
        };
        request.Headers.Authorization = vm.Authorization;
        using var response = await _http.SendAsync(request, _over.Token);
        Check(response);
    }

    private void Check(HttpResponseMessage response)
    {
        if (!response.IsSuccessStatusCode && response.StatusCode != HttpStatusCode.NotModified)
        {
            Interlocked.Increment(ref _errors);
            Interlocked.CompareExchange(ref _firstError,
                $"{response.RequestMessage!.Method} {response.RequestMessage.RequestUri} was answered with {(int)response.StatusCode}", null);
        }
    }

    private sealed class Vm(string hostname, string token)
    {
        public string Hostname { get; } = hostname;

        public AuthenticationHeaderValue Authorization { get; } = new("Bearer", token);

        /// <summary>The generation of a VM that was never assigned.</summary>
        public string ETag { get; set; } = "\"g1\"";

        public VmAssignment? Answer { get; set; }

        public long AnsweredAt { get; set; }

        public TimeSpan MaxAge { get; set; } = TimeSpan.FromSeconds(1);
    }
}

/// <summary>The latencies of one assignment.</summary>
/// <param name="SinceAsked">From the start of the request or the transaction.</param>
/// <param name="SinceAnswered">From its end; negative if the VM knew first.</param>
internal readonly record struct PickupTimes(TimeSpan SinceAsked, TimeSpan SinceAnswered);
