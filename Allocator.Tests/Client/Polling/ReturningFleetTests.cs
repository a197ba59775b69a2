using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace Allocator.Tests.Client.Polling;

/// <summary>A fleet of the library's own loops and pipelines, whose server is unavailable for a minute and returns.</summary>
public sealed class ReturningFleetTests(ITestOutputHelper output)
{
    private const int Vms = 2_000;
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Away = TimeSpan.FromSeconds(60);

    /// <summary>Requests per second of a fleet whose polls are 1.5 × max-age apart on average.</summary>
    private static readonly double SteadyRate = Vms / (1.5 * MaxAge.TotalSeconds);

    private enum Absence
    {
        /// <summary>The port is closed.</summary>
        Refused,

        /// <summary>A load balancer without healthy replicas answers 503.</summary>
        Unavailable,

        /// <summary>The 503 has a Retry-After in seconds.</summary>
        UnavailableForSeconds,

        /// <summary>The 503 has a Retry-After with the end of the maintenance, which is the same moment for all VMs.</summary>
        UnavailableUntil,
    }

    [Fact]
    public async Task Fleet_returns_at_its_steady_rate_and_never_before_a_retry_after()
    {
        // The files are many and short-lived, so they are in memory where possible.
        var folder = Directory.CreateDirectory(Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(),
            $"allocator-fleet-{Guid.NewGuid()}"));
        var time = new StepTime(Vms, TimeSpan.FromSeconds(0.25));
        var server = new Server(time);
        var clients = Enumerable.Range(0, Vms).Select(i => Client(i, folder.FullName, time, server)).ToArray();
        try
        {
            await Task.WhenAll(clients.Select(client => Loop(client).StartAsync(default)));
            time.Pass(TimeSpan.FromMinutes(1));
            foreach (var absence in Enum.GetValues<Absence>())
            {
                server.Requests.Clear();
                var returns = time.Passed + Away;
                server.Absence = (absence, returns);
                time.Pass(Away);
                server.Absence = null;
                // Nobody is away for longer than the longest backoff.
                time.Pass(PollDelay.MaxBackoff);
                Check(absence, returns, server);
            }
        }
        finally
        {
            await Task.WhenAll(clients.Select(client => Loop(client).StopAsync(default)));
            foreach (var client in clients)
            {
                await client.DisposeAsync();
            }
            folder.Delete(recursive: true);
        }
    }

    private void Check(Absence absence, TimeSpan returns, Server server)
    {
        var (away, back) = (Busiest(server.Requests.Where(request => request.At <= returns)),
            Busiest(server.Requests.Where(request => request.At > returns)));
        output.WriteLine($"{absence}: steady {SteadyRate:F0}/s, while away at most {away}/s, afterwards at most {back}/s");
        Assert.All([away, back], rate => Assert.InRange(rate, SteadyRate / 2, 2 * SteadyRate));

        var vms = server.Requests.GroupBy(request => request.Hostname).ToArray();
        Assert.Equal(Vms, vms.Length);
        foreach (var requests in vms)
        {
            Assert.Contains(requests, request => request.Served && request.At > returns);
            Assert.All(requests.Zip(requests.Skip(1)).Where(pair => !pair.First.Served), pair =>
                Assert.True(pair.Second.At >= pair.First.NotBefore, $"{absence}: {pair.First} was followed by {pair.Second}"));
        }
    }

    private static ServiceProvider Client(int number, string folder, TimeProvider time, Server server)
    {
        var services = new ServiceCollection();
        services.AddSingleton(time).AddSingleton(new Random(number));
        services.AddAllocatorClient<RecordingHandler>(new AllocatorClientOptions
        {
            Url = new Uri("http://allocator.example.org"),
            Hostname = $"vm-{number}",
            MachineId = $"machine-{number}",
            BootId = "boot",
            StateFolder = Path.Combine(folder, $"{number}"),
            EnrolmentToken = _ => new("enrolment-token"),
            FirstPollWithin = 2 * MaxAge,
        });
        services.ConfigureHttpClientDefaults(http => http.AddHttpMessageHandler(() => new ServerHandler(server)));
        return services.BuildServiceProvider();
    }

    private static IHostedService Loop(ServiceProvider client) => client.GetServices<IHostedService>().Single();

    /// <summary>The most requests of any second.</summary>
    private static int Busiest(IEnumerable<SeenRequest> requests)
    {
        var times = requests.Select(request => request.At).Order().ToArray();
        var (most, first) = (0, 0);
        for (var last = 0; last < times.Length; last++)
        {
            while (times[last] - times[first] >= TimeSpan.FromSeconds(1))
            {
                first++;
            }
            most = Math.Max(most, last - first + 1);
        }
        return most;
    }

    /// <param name="NotBefore">Where it was not served: when the client may ask again.</param>
    private sealed record SeenRequest(string Hostname, TimeSpan At, bool Served, TimeSpan NotBefore);

    private sealed class Server(StepTime time)
    {
        public (Absence How, TimeSpan Until)? Absence { get; set; }

        public ConcurrentQueue<SeenRequest> Requests { get; } = new();

        public HttpResponseMessage Answer(HttpRequestMessage request)
        {
            var path = request.RequestUri!.AbsolutePath.Split('/');
            if (path[1] == "vms")
            {
                return path.Length == 2
                    ? new HttpResponseMessage(HttpStatusCode.Created) { Content = JsonContent.Create(new Enrolment("a-vm", "default", "token")) }
                    : new HttpResponseMessage(HttpStatusCode.NoContent);
            }
            var (hostname, now) = (path[2], time.Passed);
            if (Absence is { } absence)
            {
                var wait = absence.How switch
                {
                    ReturningFleetTests.Absence.UnavailableForSeconds => TimeSpan.FromSeconds(40),
                    ReturningFleetTests.Absence.UnavailableUntil => absence.Until - now,
                    _ => MaxAge,
                };
                Requests.Enqueue(new SeenRequest(hostname, now, false, now + wait));
                return absence.How == ReturningFleetTests.Absence.Refused
                    ? throw new HttpRequestException(HttpRequestError.ConnectionError, "Connection refused")
                    : Unavailable(absence.How, wait);
            }
            Requests.Enqueue(new SeenRequest(hostname, now, true, default));
            var etag = new EntityTagHeaderValue("\"g1\"");
            var response = request.Headers.IfNoneMatch.Contains(etag)
                ? new HttpResponseMessage(HttpStatusCode.NotModified)
                : new HttpResponseMessage(HttpStatusCode.OK) { Content = JsonContent.Create(new VmAssignment(hostname, 1, VmState.Free, null)) };
            response.Headers.ETag = etag;
            response.Headers.CacheControl = new CacheControlHeaderValue { Private = true, MaxAge = MaxAge };
            return response;
        }

        private HttpResponseMessage Unavailable(Absence how, TimeSpan wait)
        {
            var response = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
            response.Headers.RetryAfter = how switch
            {
                ReturningFleetTests.Absence.UnavailableForSeconds => new RetryConditionHeaderValue(wait),
                ReturningFleetTests.Absence.UnavailableUntil => new RetryConditionHeaderValue(time.GetUtcNow() + wait),
                _ => null,
            };
            return response;
        }
    }

    private sealed class ServerHandler(Server server) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            try
            {
                var response = server.Answer(request);
                response.RequestMessage = request;
                return Task.FromResult(response);
            }
            catch (HttpRequestException refused)
            {
                return Task.FromException<HttpResponseMessage>(refused);
            }
        }
    }
}
