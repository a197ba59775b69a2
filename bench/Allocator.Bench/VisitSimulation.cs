using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Allocator.Bench.Load;
using Allocator.Contracts;

namespace Allocator.Bench;

/// <summary>A person's visit: the time of the request, and the VM that received the assignment, with the time.</summary>
/// <param name="Stays">Whether the person keeps the VM; otherwise the visit ends immediately.</param>
internal sealed record Visit(string Pool, long Asked, bool Stays)
{
    public TaskCompletionSource<(string Hostname, long At)> Notified { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>
/// Simulates people who request a VM, and the VMs that receive them. At the end of a visit the person releases the VM and
/// the VM reports that it is clean, so that the number of free VMs stays the same.
/// </summary>
internal sealed class VisitSimulation : IDisposable
{
    private readonly HttpClient _http;
    private readonly ConcurrentDictionary<string, Visit> _waiting = new();
    private readonly Task _running;
    private readonly VmSimulator _simulator;
    private int _people;
    private int _errors;

    /// <param name="requests">The polls of the VMs; <paramref name="first"/> is the number of the first.</param>
    public VisitSimulation(Uri server, PollRequests requests, int first, bool obeysHints)
    {
        _http = new HttpClient(new SocketsHttpHandler { PooledConnectionIdleTimeout = TimeSpan.FromMinutes(10) }) { BaseAddress = server };
        _simulator =
            new VmSimulator(server, requests, 256, TimeSpan.FromSeconds(15), obeysHints) { BodyReceived = (vm, body) => Told(first + vm, body) };
        _running = _simulator.RunAsync();
    }

    /// <summary>Gets the number of failed calls.</summary>
    public int Errors => _errors;

    /// <summary>Returns the totals of the VMs since the last call.</summary>
    public VmTotals TakePolls() => _simulator.Reset();

    public async Task<Visit> AskAsync(string pool, bool stays)
    {
        var email = string.Create(CultureInfo.InvariantCulture, $"person-{Interlocked.Increment(ref _people)}@example.org");
        var visit = _waiting[email] = new Visit(pool, Stopwatch.GetTimestamp(), stays);
        using var response = await _http.PostAsJsonAsync("/assignments", new AssignmentRequest(email, pool));
        if (response.StatusCode != HttpStatusCode.Accepted)
        {
            Interlocked.Increment(ref _errors);
            visit.Notified.TrySetException(new InvalidOperationException($"The request was answered with {response.StatusCode}."));
        }
        return visit;
    }

    public void Dispose()
    {
        _simulator.Stop();
        _running.Wait();
        _http.Dispose();
    }

    private void Told(int vm, ReadOnlySpan<byte> body)
    {
        var at = Stopwatch.GetTimestamp();
        // In a chunked reply the JSON begins after the length of the first chunk.
        var reader = new Utf8JsonReader(body[body.IndexOf((byte)'{')..(body.LastIndexOf((byte)'}') + 1)]);
        var answer = JsonSerializer.Deserialize(ref reader, WireJson.Default.VmAssignment)!;
        if (answer.Assignment is { } assignment && _waiting.TryRemove(assignment.Email, out var visit))
        {
            visit.Notified.TrySetResult((answer.Hostname, at));
            if (!visit.Stays)
            {
                _ = EndAsync(vm, answer.Generation, assignment.Id);
            }
        }
    }

    private async Task EndAsync(int vm, long generation, Guid id)
    {
        try
        {
            using var released = await _http.DeleteAsync($"/assignments/{id}");
            using var clean = new HttpRequestMessage(HttpMethod.Put, $"/assignment/{FleetVms.Hostname(vm)}/outcome")
            {
                // The end of the assignment has raised the generation by one.
                Content = JsonContent.Create(new OutcomeReport(generation + 1, Outcome.Clean), WireJson.Default.OutcomeReport),
                Headers = { Authorization = new AuthenticationHeaderValue("Bearer", FleetVms.Token(vm)) },
            };
            using var cleaned = await _http.SendAsync(clean);
            if (!released.IsSuccessStatusCode || !cleaned.IsSuccessStatusCode)
            {
                Interlocked.Increment(ref _errors);
            }
        }
        catch (HttpRequestException)
        {
            Interlocked.Increment(ref _errors);
        }
    }
}
