using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Allocator.Api.Maintenance;
using Allocator.Api.Security;
using Allocator.Tests.Infrastructure;
using Allocator.Tests.Telemetry;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Allocator.Tests.Security;

/// <summary>Guessing passwords is limited, and keeps no admin waiting.</summary>
public sealed class SignInTests(PostgresServer server)
{
    private const string Office = "192.0.2.1";
    private const string Elsewhere = "198.51.100.1";

    // Callers choose their address, as a trusted load balancer reports it.
    private static readonly Dictionary<string, string> BehindBalancer =
        new() { ["Proxies:Known:0"] = "127.0.0.1", ["Proxies:Known:1"] = "::1" };

    [Fact]
    public async Task Admin_signs_in_while_a_thousand_guesses_from_one_address_go_on()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: BehindBalancer);
        using var stop = new CancellationTokenSource();
        var statuses = new HashSet<HttpStatusCode>();
        var answered = 0;
        var guessers = Task.WhenAll(Enumerable.Range(0, 1_000).Select(async guesser =>
        {
            for (var i = 0; !stop.IsCancellationRequested; i++)
            {
                using var response = await SignInAsync(deployment, Elsewhere, "admin", $"guess-{guesser}-{i}");
                lock (statuses)
                {
                    statuses.Add(response.StatusCode);
                }
                Interlocked.Increment(ref answered);
            }
        }));
        await Wait.UntilAsync(() => Volatile.Read(ref answered) > 0, "guesses are answered");

        Assert.False(guessers.IsCompleted);
        using (var admin = await SignInAsync(deployment, Office, "admin", Replica.AdminPassword))
        {
            Assert.Equal(HttpStatusCode.OK, admin.StatusCode);
        }
        Assert.False(guessers.IsCompleted);
        await Wait.UntilAsync(() => Volatile.Read(ref answered) >= 2_000, "guesses are still answered");
        await stop.CancelAsync();
        await guessers;
        Assert.Equal([HttpStatusCode.Unauthorized, HttpStatusCode.TooManyRequests], statuses.Order());
    }

    [Fact]
    public async Task Address_that_guessed_is_refused_with_Retry_After_but_not_a_password_that_was_right_there()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: BehindBalancer);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(deployment, Office, "admin", Replica.AdminPassword));
        for (var i = 0; i < SignInLimits.FreeFailures; i++)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(deployment, Office, "root", $"wrong-{i}"));
            Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(deployment, Elsewhere, "root", $"wrong-{i}"));
        }
        // Another failure or two, so that the back-off outlasts the test's own requests.
        var limits = deployment.Replica.Services.GetRequiredService<SignInLimits>();
        for (var i = 0; i < 8; i++)
        {
            limits.AddFailure(IPAddress.Parse(Office));
            limits.AddFailure(IPAddress.Parse(Elsewhere));
        }

        using var refused = await SignInAsync(deployment, Elsewhere, "admin", Replica.AdminPassword);
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.Equal("urn:allocator:problem:too-many-sign-ins", (await refused.Content.ReadFromJsonAsync<JsonNode>())!["type"]!.GetValue<string>());
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), SignInLimits.MaxBackoff);
        Assert.Equal(HttpStatusCode.TooManyRequests, await StatusAsync(deployment, Office, "root", "wrong"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(deployment, Office, "admin", Replica.AdminPassword));

        // A key is never refused.
        using var request = Request(Elsewhere);
        request.Headers.Add("X-Api-Key", Replica.ApiKey);
        using var program = await deployment.Person.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, program.StatusCode);
    }

    [Fact]
    public async Task Wrong_api_keys_count_as_failures_of_their_address()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: BehindBalancer);
        for (var i = 0; i < SignInLimits.FreeFailures + 8; i++)
        {
            using var request = Request(Elsewhere);
            request.Headers.Add("X-Api-Key", $"wrong-{i}");
            using var response = await deployment.Person.SendAsync(request);
            Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        }
        Assert.Equal(HttpStatusCode.TooManyRequests, await StatusAsync(deployment, Elsewhere, "admin", "wrong"));
    }

    [Fact]
    public async Task Remembered_password_cannot_be_guessed_from_another_address()
    {
        var admins = new AdminOptions { Users = { ["ada"] = Credentials.HashPassword("right") } };
        using var limits = new SignInLimits(new FakeTimeProvider());
        using var credentials = new Credentials(
            Options.Create(admins), Options.Create(new EnrolmentOptions()), new PasswordHasher<string>(), limits);
        Assert.True((await credentials.CheckPasswordAsync("ada", "right", IPAddress.Parse(Office), default)).IsRight);
        for (var i = 0; i < SignInLimits.FreeFailures; i++)
        {
            limits.AddFailure(IPAddress.Parse(Elsewhere));
        }

        var guess = await credentials.CheckPasswordAsync("ada", "right", IPAddress.Parse(Elsewhere), default);
        Assert.False(guess.IsRight);
        Assert.Equal(SignInLimits.MinBackoff, guess.RetryAfter);
        Assert.True((await credentials.CheckPasswordAsync("ada", "right", IPAddress.Parse(Office), default)).IsRight);
    }

    [Fact]
    public async Task Failures_are_one_event_a_minute_which_names_only_admins()
    {
        await using var deployment = await Deployment.StartAsync(
            server, settings: new(BehindBalancer) { ["Liveness:SweepInterval"] = "00:10:00" });
        await StatusAsync(deployment, Office, "admin", "wrong");
        await StatusAsync(deployment, Elsewhere, "my password", "wrong");
        var failures = deployment.Replica.Services.GetRequiredService<SignInFailures>();
        failures.Add("admin", IPAddress.Parse(Office), isRefused: true);
        var time = new FakeTimeProvider();
        var job = new RecordFailedSignInsJob(deployment.Database, failures, time);

        Assert.True(job.IsDue());
        await job.RunAsync(default);
        Assert.False(job.IsDue());
        failures.Add(null, null, isRefused: true);
        Assert.False(job.IsDue(), "it recorded some in this minute");
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.True(job.IsDue());

        var recorded = Assert.Single(await deployment.EventsAsync("action=sign_in_failed"));
        Assert.Equal("allocator", recorded.Actor);
        var expected = JsonNode.Parse("""{"count": 3, "refused": 1, "addresses": 2, "names": ["admin"], "unknown": 1}""");
        Assert.True(JsonNode.DeepEquals(expected, JsonNode.Parse(recorded.Detail.GetRawText())), recorded.Detail.GetRawText());
    }

    [Fact]
    public async Task Failures_that_could_not_be_recorded_are_recorded_later()
    {
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Liveness:SweepInterval"] = "00:10:00" });
        var failures = deployment.Replica.Services.GetRequiredService<SignInFailures>();
        var job = new RecordFailedSignInsJob(deployment.Database, failures, new FakeTimeProvider());
        failures.Add("admin", IPAddress.Parse(Office), isRefused: false);
        await deployment.ExecuteAsync("alter table events rename to events_elsewhere");
        await Assert.ThrowsAnyAsync<Exception>(() => job.RunAsync(default));
        await deployment.ExecuteAsync("alter table events_elsewhere rename to events");
        Assert.True(job.IsDue());
        await job.RunAsync(default);
        Assert.Equal(1, Assert.Single(await deployment.EventsAsync("action=sign_in_failed")).Detail.GetProperty("count").GetInt32());
    }

    [Fact]
    public async Task Failures_are_counted_in_a_metric()
    {
        await using var api = await ApiProcess.StartAsync(await server.CreateDatabaseAsync());
        var before = await Scrape.OfAsync(api.Http);
        Assert.Equal(0, before.Value("allocator_sign_in_failures_total", "result=\"wrong\""));
        Assert.Equal(0, before.Value("allocator_sign_in_failures_total", "result=\"refused\""));
        for (var i = 0; i < SignInLimits.FreeFailures + 8; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/vms") { Headers = { { "X-Api-Key", $"wrong-{i}" } } };
            (await api.Http.SendAsync(request)).Dispose();
        }
        using (var guess = new HttpRequestMessage(HttpMethod.Get, "/vms") { Headers = { Authorization = Deployment.Basic("admin", "wrong") } })
        {
            (await api.Http.SendAsync(guess)).Dispose();
        }
        await Wait.UntilPassesAsync(async () =>
        {
            var scrape = await Scrape.OfAsync(api.Http);
            Assert.Equal(SignInLimits.FreeFailures + 8, scrape.Value("allocator_sign_in_failures_total", "result=\"wrong\""));
            Assert.Equal(1, scrape.Value("allocator_sign_in_failures_total", "result=\"refused\""));
        });
    }

    private static HttpRequestMessage Request(string address) =>
        new(HttpMethod.Get, "/pools") { Headers = { { "X-Forwarded-For", address } } };

    private static Task<HttpResponseMessage> SignInAsync(Deployment deployment, string address, string name, string password)
    {
        var request = Request(address);
        request.Headers.Authorization = Deployment.Basic(name, password);
        return deployment.Person.SendAsync(request);
    }

    private static async Task<HttpStatusCode> StatusAsync(Deployment deployment, string address, string name, string password)
    {
        using var response = await SignInAsync(deployment, address, name, password);
        return response.StatusCode;
    }
}
