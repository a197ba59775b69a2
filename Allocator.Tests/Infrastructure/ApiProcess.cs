using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.RegularExpressions;
using Allocator.Api.Security;
using Allocator.Contracts;

namespace Allocator.Tests.Infrastructure;

/// <summary>A replica in a separate process, for everything that the runtime measures or exports per process.</summary>
internal sealed partial class ApiProcess : IAsyncDisposable
{
    private readonly Executable _program;

    private ApiProcess(Executable program, Uri address)
    {
        _program = program;
        Http = new HttpClient { BaseAddress = address };
        Admin = new HttpClient { BaseAddress = address, DefaultRequestHeaders = { { "X-Api-Key", Replica.ApiKey } } };
    }

    public HttpClient Http { get; }

    public HttpClient Admin { get; }

    public string Output => _program.Output;

    /// <param name="settings">Environment variables.</param>
    public static async Task<ApiProcess> StartAsync(string connectionString, Dictionary<string, string?>? settings = null, params string[] arguments)
    {
        var environment = new Dictionary<string, string?>
        {
            ["ASPNETCORE_ENVIRONMENT"] = "Production",
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
            ["Database__ConnectionString"] = connectionString,
            ["Admin__ApiKeys__tests"] = Credentials.HashKey(Replica.ApiKey),
            ["Enrolment__TokenHashes__0"] = Credentials.HashKey(Replica.EnrolmentToken),
            ["Fleet__FeedInterval"] = "00:00:00.05",
            ["Liveness__FlushInterval"] = "00:00:00.05",
            ["Telemetry__PublicMetrics"] = "true",
        };
        foreach (var (key, value) in settings ?? [])
        {
            environment[key] = value;
        }
        var program = Executable.Start("Allocator.Api", arguments, environment);
        var address = await Wait.ForAsync(
            async () =>
            {
                await program.ThrowIfExitedAsync();
                return Listening().Match(program.Output) is { Success: true } match ? match.Value : null;
            },
            "it listens");
        var api = new ApiProcess(program, new Uri(address));
        await Wait.UntilAsync(async () => (await api.Http.GetAsync("/health/ready")).IsSuccessStatusCode, "the replica is ready");
        return api;
    }

    /// <summary>Takes one VM and one person through all steps until the person can connect.</summary>
    public async Task WalkTheWholeWayAsync(string hostname = "vm-1", string email = "ada@example.org")
    {
        using var enrolled = await SendAsync(HttpMethod.Post, "/vms", Replica.EnrolmentToken, new EnrolmentRequest(hostname, "machine-" + hostname));
        var token = (await enrolled.Content.ReadFromJsonAsync<Enrolment>())!.Token;
        (await SendAsync(HttpMethod.Put, $"/vms/{hostname}/report", token, new VmReport(VmStatus.Running))).Dispose();
        (await Http.PostAsJsonAsync("/assignments", new AssignmentRequest(email))).Dispose();
        var assigned = await Wait.ForAsync(async () =>
        {
            using var response = await SendAsync(HttpMethod.Get, $"/assignment/{hostname}", token);
            var answer = await response.Content.ReadFromJsonAsync<VmAssignment>();
            return answer!.State == VmState.Assigned ? answer : null;
        }, "the VM has the person");
        for (var i = 0; i < 3; i++)
        {
            (await SendAsync(HttpMethod.Get, $"/assignment/{hostname}", token, ifNoneMatch: $"\"g{assigned.Generation}\"")).Dispose();
        }
        using var reported =
            await SendAsync(HttpMethod.Put, $"/assignment/{hostname}/outcome", token, new OutcomeReport(assigned.Generation, Outcome.Connected));
        reported.EnsureSuccessStatusCode();
    }

    /// <summary>Sends SIGTERM, as an orchestrator does.</summary>
    public Task<int> StopAsync() => _program.StopAsync();

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        Admin.Dispose();
        await _program.DisposeAsync();
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string token, object? body = null, string? ifNoneMatch = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (ifNoneMatch is not null)
        {
            request.Headers.TryAddWithoutValidation("If-None-Match", ifNoneMatch);
        }
        return await Http.SendAsync(request);
    }

    [GeneratedRegex(@"(?<=Now listening on: )http://127\.0\.0\.1:\d+")]
    private static partial Regex Listening();
}
