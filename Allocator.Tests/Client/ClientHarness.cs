using Allocator.Client.Agent;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Allocator.Client.Agent.Hooks;
using Allocator.Contracts;
using Allocator.Polling;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using WireMock;
using WireMock.RequestBuilders;
using WireMock.ResponseBuilders;
using WireMock.Server;
using WireMock.Util;
using Xunit;

namespace Allocator.Tests.Client;

/// <summary>Runs the client against a server whose responses the test chooses, in time that the test controls.</summary>
internal sealed class ClientHarness : IAsyncDisposable
{
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-client-").FullName;
    private readonly StrongBox<int> _underWay = new();
    private IHost? _host;
    private ClientOptions _options;

    public ClientHarness(Func<ClientOptions, ClientOptions>? configure = null, AwaitedTime? time = null)
    {
        Time = time ?? new();
        Server = WireMockServer.Start();
        OnPoll = _ => Free(1);
        OnEnrol = () => Json(HttpStatusCode.Created, """{"hostname":"vm-1","pool":"default","token":"vm-1.token"}""");
        Server.Given(Request.Create().WithPath("/assignment/vm-1").UsingGet()).RespondWith(Response.Create().WithCallback(request =>
        {
            var poll = new SeenPoll(Time.GetUtcNow(), Header(request, "If-None-Match"), Header(request, "Authorization"));
            Polls.Enqueue(poll);
            return OnPoll(poll);
        }));
        Server.Given(Request.Create().WithPath("/vms").UsingPost()).RespondWith(Response.Create().WithCallback(request =>
        {
            EnrolmentTokens.Enqueue(Header(request, "Authorization"));
            Enrolments.Enqueue(JsonSerializer.Deserialize(request.Body!, WireJson.Default.EnrolmentRequest)!);
            return OnEnrol();
        }));
        Server.Given(Request.Create().WithPath("/vms/vm-1/report").UsingPut()).RespondWith(Response.Create().WithCallback(request =>
        {
            var report = JsonSerializer.Deserialize(request.Body!, WireJson.Default.VmReport)!;
            var reply = OnReport(report);
            if ((int)(reply.StatusCode ?? 0) < 400)
            {
                Reports.Enqueue(report);
            }
            return reply;
        }));
        Server.Given(Request.Create().WithPath("/assignment/vm-1/outcome").UsingPut()).RespondWith(Response.Create().WithCallback(request =>
        {
            var reply = OnOutcome();
            if ((int)(reply.StatusCode ?? 0) < 400)
            {
                Outcomes.Enqueue(JsonSerializer.Deserialize(request.Body!, WireJson.Default.OutcomeReport)!);
            }
            return reply;
        }));
        _options = new ClientOptions
        {
            Url = new Uri(Server.Url!),
            Hostname = "vm-1",
            MachineId = "machine-1",
            BootId = "boot-1",
            EnrolmentToken = _ => new("enrolment-token"),
            StateFolder = StateFolder,
            AssignedHook = [Script("assigned", "cat >> $0.input; echo >> $0.input; echo '{\"connectUrl\":\"https://vm-1.example.org/\"}'")],
            ReleasedHook = [Script("released", "cat >> $0.input; echo >> $0.input")],
            FirstPollWithin = TimeSpan.Zero,
            RequestTimeout = TimeSpan.FromSeconds(5),
        };
        _options = configure?.Invoke(_options) ?? _options;
    }

    public WireMockServer Server { get; }

    public AwaitedTime Time { get; }

    /// <summary>Gets the time of hooks. They are real processes and take real time, so it stands still unless the test moves it.</summary>
    public FakeTimeProvider HookTime { get; } = new();

    public string StateFolder => Path.Combine(_folder, "state");

    public ConcurrentQueue<SeenPoll> Polls { get; } = new();
    public ConcurrentQueue<EnrolmentRequest> Enrolments { get; } = new();
    public ConcurrentQueue<string?> EnrolmentTokens { get; } = new();
    public ConcurrentQueue<VmReport> Reports { get; } = new();
    public ConcurrentQueue<OutcomeReport> Outcomes { get; } = new();

    public Func<SeenPoll, ResponseMessage> OnPoll { get; set; }
    public Func<ResponseMessage> OnEnrol { get; set; }
    public Func<VmReport, ResponseMessage> OnReport { get; set; } = _ => Empty(HttpStatusCode.NoContent);
    public Func<ResponseMessage> OnOutcome { get; set; } = () => Empty(HttpStatusCode.NoContent);

    /// <summary>Gets or sets an action that adds to the client's services.</summary>
    public Action<IServiceCollection> OnBuild { get; set; } = _ => { };

    /// <summary>Gets the lines of the client's log, from level Information up.</summary>
    public ConcurrentQueue<string> Log { get; } = new();

    public ClientOptions Options => _options;

    public string StatusPath => _options.StatusPath;

    public IServiceProvider Services => _host!.Services;

    /// <summary>Reports facts on the VM, as a reporter does.</summary>
    public void Report(VmReport change) => Services.GetRequiredService<VmReports>().Report(change);

    public async Task StartAsync()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Logging.AddProvider(new TestOutput(Log));
        builder.Services.AddSingleton<TimeProvider>(Time);
        builder.Services.AddSingleton(new Random(42));
        builder.Services.AddSingleton(_options).AddAllocatorClient<HookRunner>(_options);
        builder.Services.AddSingleton<IAssignmentHandler>(services =>
            new HookRunner(_options, HookTime, services.GetRequiredService<ILogger<HookRunner>>()));
        builder.Services.ConfigureHttpClientDefaults(http => http.AddHttpMessageHandler(() => new CountingHandler(_underWay)));
        OnBuild(builder.Services);
        _host = builder.Build();
        await _host.StartAsync();
    }

    public async Task RestartAsync(Func<ClientOptions, ClientOptions>? configure = null)
    {
        await StopAsync();
        _options = configure?.Invoke(_options) ?? _options;
        await StartAsync();
    }

    public async Task StopAsync()
    {
        if (_host is not null)
        {
            await _host.StopAsync();
            await ((IAsyncDisposable)_host).DisposeAsync();
            _host = null;
        }
    }

    /// <summary>
    /// Lets time pass until the condition is true, but not while the client works or a request is in flight. A limit in real
    /// time bounds the duration of the test.
    /// </summary>
    public async Task PassUntilAsync(Func<bool> condition, string what, TimeSpan? step = null)
    {
        var started = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(60), $"Within a minute it did not come true that {what}.");
            if (Volatile.Read(ref _underWay.Value) == 0 && Time.IsAwaited)
            {
                Time.Advance(step ?? Step);
            }
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }
    }

    /// <summary>Lets time pass until this number of further polls has arrived.</summary>
    public Task PassPollsAsync(int count)
    {
        var until = Polls.Count + count;
        return PassUntilAsync(() => Polls.Count >= until, $"{count} more polls have arrived");
    }

    /// <summary>Creates a hook: a shell script with this body.</summary>
    public string Script(string name, string body)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, $"#!/bin/sh\n{body}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    /// <summary>Returns the input of a hook, a line for each run.</summary>
    public string[] Inputs(string hook) => ReadLines(hook + ".input");

    public string[] ReadLines(string file)
    {
        var path = Path.Combine(_folder, file);
        return File.Exists(path) ? File.ReadAllLines(path) : [];
    }

    public static ResponseMessage Free(long generation, int maxAge = 15) => Answer(new VmAssignment("vm-1", generation, VmState.Free, null), maxAge);

    public static ResponseMessage Cleaning(long generation, int maxAge = 15) =>
        Answer(new VmAssignment("vm-1", generation, VmState.Cleaning, null), maxAge);

    public static ResponseMessage Assigned(long generation, Guid id, string email = "ada@example.org", string code = "4/0A", int maxAge = 15) =>
        Answer(
        new VmAssignment("vm-1", generation, VmState.Assigned,
            new AssignedPerson(id, email, new RemoteDesktopCommand(code, "123456"), DateTime.UnixEpoch)), maxAge);

    public static ResponseMessage Answer(VmAssignment answer, int maxAge = 15) => Json(HttpStatusCode.OK,
        JsonSerializer.Serialize(answer, WireJson.Default.VmAssignment), ("ETag", $"\"g{answer.Generation}\""),
            ("Cache-Control", $"private, max-age={maxAge}"));

    /// <summary>Returns 304 if the client has this generation, and otherwise the answer.</summary>
    public static Func<SeenPoll, ResponseMessage> Steady(long generation, Func<ResponseMessage> answer, int maxAge = 15) => poll =>
        poll.IfNoneMatch == $"\"g{generation}\""
            ? Empty(HttpStatusCode.NotModified, ("ETag", $"\"g{generation}\""), ("Cache-Control", $"private, max-age={maxAge}"))
            : answer();

    public static ResponseMessage Json(HttpStatusCode status, string body, params (string, string)[] headers) =>
        Reply(status, body, [("Content-Type", "application/json"), .. headers]);

    public static ResponseMessage Problem(HttpStatusCode status, string type, string title, string detail) => Reply(
        status, $$"""{"type":"urn:allocator:problem:{{type}}","title":"{{title}}","status":{{(int)status}},"detail":"{{detail}}"}""",
        ("Content-Type", "application/problem+json"));

    public static ResponseMessage Empty(HttpStatusCode status, params (string, string)[] headers) => Reply(status, null, headers);

    public static ResponseMessage Reply(HttpStatusCode status, string? body, params (string Name, string Value)[] headers) => new()
    {
        StatusCode = (int)status,
        Headers = headers.ToDictionary(header => header.Name, header => new WireMock.Types.WireMockList<string>(header.Value)),
        BodyData = body is null ? null : new BodyData { DetectedBodyType = WireMock.Types.BodyType.String, BodyAsString = body },
    };

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Server.Stop();
        Server.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static string? Header(IRequestMessage request, string name) =>
        request.Headers?.FirstOrDefault(header => header.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Value?.ToString();
}

/// <summary>Counts the requests that the client waits for.</summary>
internal sealed class CountingHandler(StrongBox<int> underWay) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref underWay.Value);
        try
        {
            return await base.SendAsync(request, cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref underWay.Value);
        }
    }
}

/// <summary>A poll as the server received it.</summary>
internal sealed record SeenPoll(DateTimeOffset At, string? IfNoneMatch, string? Authorization);
