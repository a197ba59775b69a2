using Allocator.Client.Agent;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Allocator.Contracts;
using Allocator.Polling;
using Allocator.Tests.Infrastructure;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http;
using Xunit;
using static Allocator.Tests.Client.ClientHarness;

namespace Allocator.Tests.Client;

/// <summary>Failures of networks: the client keeps its last answer, continues to poll, and logs each failure once with its cause.</summary>
public sealed class NetworkTests
{
    private static readonly Guid Ada = Guid.Parse("0198f000-0000-7000-8000-00000000000a");

    private const string Head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"g9\"\r\n";

    public static TheoryData<string, string> BrokenReplies => new()
    {
        { "cut", "the response broke off" },
        { "nothing", "the response broke off" },
        { "endless", "the response is longer than 262,144 bytes" },
        { "endless header", "" },
        { "stalled head", "no complete response within 0.3 s" },
        { "stalled body", "no complete response within 0.3 s" },
        { "dripping body", "no complete response within 0.3 s" },
        { "not http", "" },
    };

    [Theory]
    [MemberData(nameof(BrokenReplies))]
    public async Task Malformed_response_is_logged_once_and_changes_nothing(string how, string expected)
    {
        await using var harness = new ClientHarness();
        await KnowAdaAsync(harness);
        await using var server = new RawServer((stream, _, cancel) => BreakAsync(how, stream, cancel));

        await harness.RestartAsync(options => options with { Url = server.Url, RequestTimeout = TimeSpan.FromSeconds(0.3) });
        await harness.PassUntilAsync(() => Status(harness)?.FailedPolls >= 3, "several polls have failed");

        Assert.Contains(expected, Assert.Single(Failures(harness)), StringComparison.Ordinal);
        await AssertKnowsAdaAsync(harness);
    }

    private static async Task BreakAsync(string how, Stream stream, CancellationToken cancel)
    {
        switch (how)
        {
            case "cut":
                await RawServer.WriteAsync(stream, Head + "Content-Length: 500\r\n\r\n{\"hostname\":\"vm-1\",", cancel);
                break;
            case "endless":
                await RawServer.WriteAsync(stream, Head + "\r\n", cancel);
                while (true)
                {
                    await stream.WriteAsync(new byte[64 * 1024], cancel);
                }
            case "endless header":
                await RawServer.WriteAsync(stream, Head + "X-Long: ", cancel);
                while (true)
                {
                    await stream.WriteAsync(Encoding.ASCII.GetBytes(new string('a', 64 * 1024)), cancel);
                }
            case "stalled head":
                await RawServer.WriteAsync(stream, "HTTP/1.1 200 OK\r\nETag: ", cancel);
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
                break;
            case "stalled body":
                await RawServer.WriteAsync(stream, Head + "Content-Length: 500\r\n\r\n{", cancel);
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
                break;
            case "dripping body":
                await RawServer.WriteAsync(stream, Head + "Content-Length: 100000\r\n\r\n{", cancel);
                while (true)
                {
                    await RawServer.WriteAsync(stream, " ", cancel);
                    await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, cancel);
                }
            case "not http":
                await RawServer.WriteAsync(stream, "SSH-2.0-OpenSSH_9.2\r\n", cancel);
                break;
        }
    }

    public static TheoryData<int, string?, string?, string> StrangersReplies => new()
    {
        { 200, "text/html", "<html>Please log in to the Wi-Fi</html>", "200 OK with a web page" },
        { 302, null, null, "302 Found to http://login.example.org: not the allocator but something" },
        { 511, "text/html", "<html>Network Authentication Required</html>",
            "511 Network Authentication Required: the network requires a login first" },
        { 502, "text/html", "<html>Bad Gateway</html>", "502 Bad Gateway with a web page" },
        { 200, "application/json", "{\"hostname\":\"vm-1\",\"gener", "200 OK with an unreadable body" },
        { 503, null, null, "503 Service Unavailable, no problem details in the response" },
    };

    [Theory]
    [MemberData(nameof(StrangersReplies))]
    public async Task Response_of_another_server_is_logged_once_and_then_hourly(int status,
        string? contentType, string? body, string expected)
    {
        await using var harness = new ClientHarness();
        await KnowAdaAsync(harness);
        (string, string)[] headers = [("Location", "http://login.example.org/?for=secret"),
            .. contentType is null ? Array.Empty<(string, string)>() : [("Content-Type", contentType)]];
        harness.OnPoll = _ => Reply((HttpStatusCode)status, body, headers);
        await harness.PassPollsAsync(5);
        Assert.Contains(expected, Assert.Single(Failures(harness)), StringComparison.Ordinal);

        var polls = harness.Polls.Count;
        await harness.PassUntilAsync(() => Failures(harness).Length == 2, "the failure is logged again", step: TimeSpan.FromSeconds(10));
        Assert.InRange(harness.Polls.Count - polls, 25, 70);
        harness.OnPoll = _ => Reply(HttpStatusCode.TooManyRequests, "");
        await harness.PassUntilAsync(() => Failures(harness).Length == 3, "another cause is logged immediately");
        Assert.DoesNotContain(harness.Log, line => line.Contains("secret", StringComparison.Ordinal));
        await AssertKnowsAdaAsync(harness);
    }

    [Theory]
    [InlineData("http://no-such-host.invalid", "the name no-such-host.invalid cannot be resolved (DNS)")]
    [InlineData("http://127.0.0.1:1", "no connection to 127.0.0.1:1: Connection refused")]
    public async Task Unreachable_server_is_logged(string url, string expected)
    {
        await using var harness = new ClientHarness();
        await KnowAdaAsync(harness);
        await harness.RestartAsync(options => options with { Url = new Uri(url) });
        await harness.PassUntilAsync(() => Status(harness)?.FailedPolls >= 3, "several polls have failed");
        Assert.Contains(expected, Assert.Single(Failures(harness)), StringComparison.Ordinal);
        await AssertKnowsAdaAsync(harness);
    }

    [Fact]
    public async Task Certificate_of_the_authority_in_CaFile_is_trusted_for_its_name_and_time()
    {
        using var authority = new OwnAuthority();
        using var another = new OwnAuthority();
        var polls = 0;
        async Task AnswerAsync(HttpContext context)
        {
            Interlocked.Increment(ref polls);
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            context.Response.Headers.ETag = "\"g2\"";
            await context.Response.CompleteAsync();
        }
        await using var server = await authority.ServeAsync("localhost", AnswerAsync);
        await using var misnamed = await authority.ServeAsync("allocator.example.org", AnswerAsync);
        await using var expired = await authority.ServeAsync("localhost", AnswerAsync, validFromDays: -50, validToDays: -10);
        await using var harness = new ClientHarness();
        await KnowAdaAsync(harness);

        await AssertRefusedAsync(server, null, "no secure connection to localhost (TLS)");
        await AssertRefusedAsync(server, another.CaFile, "no secure connection to localhost (TLS)");
        await AssertRefusedAsync(misnamed, authority.CaFile, "no secure connection to localhost (TLS)");
        await AssertRefusedAsync(expired, authority.CaFile, "is its clock right?");
        Assert.Equal(0, polls);
        foreach (var only in new[] { false, true })
        {
            var before = polls;
            await harness.RestartAsync(options => options with { Url = UrlOf(server), CaFile = authority.CaFile, TrustsOnlyCaFile = only });
            await harness.PassUntilAsync(() => polls >= before + 2, "polls are answered");
        }
        await AssertKnowsAdaAsync(harness);

        async Task AssertRefusedAsync(WebApplication refused, string? caFile, string expected)
        {
            harness.Log.Clear();
            await harness.RestartAsync(options => options with { Url = UrlOf(refused), CaFile = caFile });
            await harness.PassUntilAsync(() => Status(harness)?.FailedPolls >= 2, "two polls have failed");
            Assert.Contains(expected, Assert.Single(Failures(harness)), StringComparison.Ordinal);
        }

        static Uri UrlOf(WebApplication app) => new($"https://localhost:{OwnAuthority.Port(app)}");
    }

    [Fact]
    public async Task Tls_uses_the_proxy_with_its_credentials_which_are_never_logged()
    {
        using var authority = new OwnAuthority();
        var polls = 0;
        await using var server = await authority.ServeAsync("allocator.test", context =>
        {
            Interlocked.Increment(ref polls);
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        });
        var password = "right";
        var lines = new ConcurrentQueue<string>();
        await using var proxy = new RawServer(async (stream, head, cancel) =>
        {
            while (!head.Contains($"Proxy-Authorization: Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"ada:{password}"))}"))
            {
                lines.Enqueue(head[0]);
                await RawServer.WriteAsync(stream,
                    "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"proxy\"\r\nContent-Length: 0\r\n\r\n", cancel);
                head = await RawServer.ReadHeadAsync(stream, cancel);
                if (head.Length == 0)
                {
                    return;
                }
            }
            lines.Enqueue(head[0]);
            using var target = new TcpClient();
            await target.ConnectAsync(IPAddress.Loopback, OwnAuthority.Port(server), cancel);
            await RawServer.WriteAsync(stream, "HTTP/1.1 200 Connection established\r\n\r\n", cancel);
            await RawServer.RelayAsync(stream, target.GetStream(), cancel);
        });
        await using var harness = new ClientHarness();
        await KnowAdaAsync(harness);
        var proxied = Read(("Proxy", $"http://ada:right@127.0.0.1:{proxy.Port}")).Proxy;

        await harness.RestartAsync(options => options with { Url = new Uri("https://allocator.test"), CaFile = authority.CaFile, Proxy = proxied });
        await harness.PassUntilAsync(() => polls >= 2, "polls pass through the proxy");
        Assert.Contains("CONNECT allocator.test:443 HTTP/1.1", lines);

        password = "changed";
        await harness.RestartAsync();
        await harness.PassUntilAsync(() => Status(harness)?.FailedPolls >= 2, "the proxy has refused two polls");
        Assert.Contains("the proxy refuses the connection", Assert.Single(Failures(harness)), StringComparison.Ordinal);
        Assert.Contains("407", Failures(harness)[0], StringComparison.Ordinal);
        Assert.DoesNotContain(harness.Log, line =>
            line.Contains("right", StringComparison.Ordinal) || line.Contains("ada", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("http_proxy", null, true)]
    [InlineData("http_proxy", "allocator.test,127.0.0.1", false)]
    [InlineData("ALLOCATOR_Proxy", "allocator.test", true)]
    public async Task Program_uses_the_proxy_of_its_environment_or_settings(string variable, string? noProxy, bool goesThere)
    {
        var lines = new ConcurrentQueue<string>();
        await using var proxy = new RawServer(async (stream, head, cancel) =>
        {
            lines.Enqueue(head[0]);
            await RawServer.WriteAsync(stream, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", cancel);
        });
        var folder = Directory.CreateTempSubdirectory("allocator-proxy-");
        await using var client = Executable.Start("allocator", ["run"], new Dictionary<string, string?>
        {
            ["ALLOCATOR_Url"] = "http://allocator.test",
            ["ALLOCATOR_MachineId"] = "machine-1",
            ["ALLOCATOR_EnrolmentToken"] = "token",
            ["ALLOCATOR_StateFolder"] = folder.FullName,
            ["ALLOCATOR_FirstPollWithin"] = "00:00:00",
            ["NO_PROXY"] = noProxy,
            [variable] = $"http://127.0.0.1:{proxy.Port}",
        });
        await Wait.UntilAsync(() => client.Output.Contains("Poll failed", StringComparison.Ordinal), "a failed poll is logged");
        Assert.Equal(0, await client.StopAsync());
        Assert.Equal(goesThere ? ["POST http://allocator.test/vms HTTP/1.1"] : [], lines.Distinct());
        Assert.Contains(goesThere ? "403 Forbidden, no problem details in the response" : "cannot be resolved (DNS)",
            client.Output, StringComparison.Ordinal);
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Changed_address_of_a_name_is_used_after_the_connection_lifetime()
    {
        await using var harness = new ClientHarness();
        await KnowAdaAsync(harness);
        await using var one = new RawServer(NothingNewAsync);
        await using var other = new RawServer(NothingNewAsync, IPAddress.Parse("127.0.0.2"), one.Port);
        var (address, asked) = (IPAddress.Loopback, new ConcurrentQueue<IPAddress>());
        harness.OnBuild = services => services.PostConfigureAll<HttpClientFactoryOptions>(factory =>
            factory.HttpMessageHandlerBuilderActions.Add(builder =>
            ((SocketsHttpHandler)builder.PrimaryHandler).ConnectCallback = async (_, cancel) =>
            {
                // Stands for a resolver whose answer changes.
                asked.Enqueue(address);
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(address, one.Port, cancel);
                return new NetworkStream(socket, ownsSocket: true);
            }));
        await harness.RestartAsync(options => options with { Url = one.Url, ConnectionLifetime = TimeSpan.FromSeconds(0.5) });
        await harness.PassUntilAsync(() => !asked.IsEmpty, "a poll has arrived at the first address");

        address = IPAddress.Parse("127.0.0.2");
        await harness.PassUntilAsync(() => asked.Contains(address), "the name is resolved again");

        Assert.Empty(Failures(harness));
        using var usual = Connections.Create(new AllocatorClientOptions { Url = one.Url });
        Assert.InRange(usual.PooledConnectionLifetime, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));

        static async Task NothingNewAsync(Stream stream, string[] head, CancellationToken cancel)
        {
            for (; head.Length > 0; head = await RawServer.ReadHeadAsync(stream, cancel))
            {
                await RawServer.WriteAsync(stream, "HTTP/1.1 304 Not Modified\r\nETag: \"g2\"\r\n\r\n", cancel);
            }
        }
    }

    [Fact]
    public async Task Jump_of_the_clock_affects_neither_polls_nor_a_retry_after()
    {
        var time = new JumpingTime();
        await using var harness = new ClientHarness(time: time);
        harness.OnPoll = Steady(1, () => Free(1));
        var times = new ConcurrentQueue<long>();
        harness.OnPoll = _ =>
        {
            times.Enqueue(time.GetTimestamp());
            return Free(1);
        };
        await harness.StartAsync();
        foreach (var jump in new[] { 0, 3_650, -7_300, 1, -0.5 })
        {
            time.Jump += TimeSpan.FromDays(jump);
            await harness.PassPollsAsync(3);
        }
        Assert.All(times.Zip(times.Skip(1), (one, next) => time.GetElapsedTime(one, next).TotalSeconds), gap => Assert.InRange(gap, 14, 32));

        long? refused = null;
        long heard = 0;
        harness.OnReport = _ =>
        {
            if (refused is null)
            {
                refused = time.GetTimestamp();
                return Reply(HttpStatusCode.ServiceUnavailable, "", ("Retry-After", "100"));
            }
            heard = time.GetTimestamp();
            return Empty(HttpStatusCode.NoContent);
        };
        harness.Report(new VmReport(InUse: true));
        await harness.PassUntilAsync(() => refused is not null, "the report is refused");
        time.Jump -= TimeSpan.FromDays(1);
        await harness.PassUntilAsync(() => heard != 0, "the report has been received");
        Assert.InRange(time.GetElapsedTime(refused!.Value, heard).TotalSeconds, 100, 132);
    }

    [Theory]
    [InlineData("Proxy", "proxy:3128", "it must be the proxy's address")]
    [InlineData("Proxy", "http://ada:secret@", "it must be the proxy's address")]
    [InlineData("CaFile", "/no/such/file.pem", "it must be a readable file of certificates in PEM")]
    [InlineData("TrustsOnlyCaFile", "perhaps", "it must be true or false")]
    public void Network_settings_are_validated_without_showing_secrets(string key, string value, string expected)
    {
        var wrong = Assert.Throws<ClientOptionsException>(() => Read((key, value)));
        Assert.Contains(expected, wrong.Message, StringComparison.Ordinal);
        Assert.Contains($"ALLOCATOR_{key}", wrong.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", wrong.Message, StringComparison.Ordinal);
    }

    private static ClientOptions Read(params (string Key, string Value)[] settings) =>
        ClientOptions.Read(new ConfigurationBuilder().AddInMemoryCollection(
        settings.Append(("Url", "https://allocator.test")).Append(("MachineId", "machine-1"))
            .Select(setting => KeyValuePair.Create<string, string?>(setting.Item1, setting.Item2))).Build());

    /// <summary>Starts a client whose VM is assigned and whose hook has been run and reported.</summary>
    private static async Task KnowAdaAsync(ClientHarness harness)
    {
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        await harness.PassPollsAsync(2);
    }

    private static async Task AssertKnowsAdaAsync(ClientHarness harness)
    {
        Assert.Contains($"{Ada}", await File.ReadAllTextAsync(Path.Combine(harness.StateFolder, "state.json")), StringComparison.Ordinal);
        Assert.Single(harness.Inputs("assigned"));
        Assert.Empty(harness.Inputs("released"));
    }

    private static string[] Failures(ClientHarness harness) => [.. harness.Log.Where(line => line.Contains("Poll failed", StringComparison.Ordinal))];

    private static ClientStatus? Status(ClientHarness harness) => ClientStatus.Read(harness.StatusPath);

    /// <summary>A time provider whose clock can be set without changing the elapsed time.</summary>
    private sealed class JumpingTime : AwaitedTime
    {
        public TimeSpan Jump { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Jump;

        public override long GetTimestamp() => base.GetUtcNow().Ticks;
    }
}
