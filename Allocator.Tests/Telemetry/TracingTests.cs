using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Text;
using Allocator.Api.Telemetry;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Npgsql;
using WireMock.RequestBuilders;
using WireMock.ResponseBuilders;
using WireMock.Server;
using Xunit;

namespace Allocator.Tests.Telemetry;

public sealed class TracingTests(PostgresServer server)
{
    [Fact]
    public async Task Trace_of_a_request_continues_across_replicas_until_the_person_can_connect()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var listener = Listen(spans);
        await using var deployment = await Deployment.StartAsync(server, replicas: 2);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        using var request =
            new HttpRequestMessage(HttpMethod.Post, "/assignments") { Content = JsonContent.Create(new AssignmentRequest("ada@example.org")) };
        request.Headers.TryAddWithoutValidation("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        using var response = await deployment.Person.SendAsync(request);
        var asked = (await response.Content.ReadFromJsonAsync<Assignment>())!;
        await vm.PollUntilAsync(VmState.Assigned, deployment.Replicas[1]);
        await vm.PollAsync(deployment.Replicas[1]);
        await vm.ReportAsync(Outcome.Connected);

        var parent = ActivityContext.Parse(await deployment.QueryAsync<string>("select trace_parent from assignments"), null);
        var trace = await Wait.ForAsync(() => Task.FromResult(
            spans.Where(span => span.TraceId == parent.TraceId).ToArray() is { Length: >= 4 } all ? all : null), "the trace is complete");

        var root = Assert.Single(trace, span => span.Kind == ActivityKind.Server);
        Assert.Equal(("POST /assignments/", default, parent.SpanId), (root.DisplayName, root.ParentSpanId, root.SpanId));
        Assert.Equal(202, root.GetTagItem("http.response.status_code"));
        // The caller's own trace is linked, not continued.
        Assert.Equal("0af7651916cd43dd8448eb211c80319c", Assert.Single(root.Links).Context.TraceId.ToHexString());
        var steps = trace.Where(span => span.Kind == ActivityKind.Internal).OrderBy(span => span.StartTimeUtc).ToArray();
        Assert.Equal(["wait in the queue", "deliver to the VM", "prepare on the VM"], steps.Select(step => step.OperationName));
        Assert.All(steps, step => Assert.Equal((root.SpanId, "vm-1"), (step.ParentSpanId, step.GetTagItem("allocator.hostname"))));
        Assert.Equal(steps[0].StartTimeUtc + steps[0].Duration, steps[1].StartTimeUtc);
        Assert.Equal(steps[1].StartTimeUtc + steps[1].Duration, steps[2].StartTimeUtc);
        // A reader of traces must not be able to end assignments.
        Assert.All(spans, span =>
            Assert.DoesNotContain(asked.Id.ToString(), span.DisplayName + string.Join(' ', span.TagObjects), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Polls_create_no_spans()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var listener = Listen(spans);
        await using var deployment = await Deployment.StartAsync(server);
        var vm = (await deployment.EnrolFreeAsync("vm-1"))[0];
        for (var i = 0; i < 10; i++)
        {
            vm.ETag = i % 2 == 0 ? null : vm.ETag;
            await vm.PollAsync();
        }
        await deployment.FindVmAsync("vm-1");

        Assert.Contains(spans, span => span.DisplayName == "GET /vms/{hostname}");
        Assert.DoesNotContain(spans, span => span.DisplayName.StartsWith("GET /assignment/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Metrics_traces_and_logs_are_sent_to_a_configured_collector()
    {
        using var collector = WireMockServer.Start();
        collector.Given(Request.Create().UsingPost()).RespondWith(Response.Create().WithStatusCode(200));
        await using var api = await ApiProcess.StartAsync(await server.CreateDatabaseAsync(), new()
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Url,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "100",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "100",
            ["OTEL_BLRP_SCHEDULE_DELAY"] = "100",
        });
        await api.WalkTheWholeWayAsync();

        await WaitForAsync("/v1/metrics", "allocator.polls");
        await WaitForAsync("/v1/traces", "prepare on the VM");
        await WaitForAsync("/v1/logs", "The fleet is loaded");

        Task WaitForAsync(string path, string text) => Wait.UntilAsync(
            () => collector.LogEntries.Any(entry => entry.RequestMessage!.Path == path
                && Encoding.UTF8.GetString(entry.RequestMessage.BodyAsBytes ?? []).Contains(text, StringComparison.Ordinal)),
            $"{path} has got '{text}'");
    }

    [Fact]
    public async Task Nothing_is_traced_without_a_configured_collector()
    {
        var connectionString = await server.CreateDatabaseAsync();
        await using var api = await ApiProcess.StartAsync(connectionString);
        await api.WalkTheWholeWayAsync();
        await using var database = NpgsqlDataSource.Create(connectionString);
        await using var traced = database.CreateCommand("select count(*) from assignments where trace_parent is not null");
        Assert.Equal(0L, await traced.ExecuteScalarAsync());
    }

    private static ActivityListener Listen(ConcurrentQueue<Activity> spans)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == Instrumentation.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }
}
