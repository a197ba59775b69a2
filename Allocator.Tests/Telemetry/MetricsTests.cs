using System.Net;
using Allocator.Tests.Infrastructure;
using Npgsql;
using Xunit;

namespace Allocator.Tests.Telemetry;

public sealed class MetricsTests(PostgresServer server)
{
    [Fact]
    public async Task Metrics_show_every_step_of_one_person()
    {
        await using var api = await ApiProcess.StartAsync(await server.CreateDatabaseAsync());
        await api.WalkTheWholeWayAsync();
        (await api.Http.GetAsync("/assignment/vm-1")).Dispose();
        (await api.Http.GetAsync("/no/such/path")).Dispose();

        // A request is counted after its reply, the fleet is as old as its last feed, and liveness is written in the background.
        await Wait.UntilPassesAsync(async () =>
        {
            var scrape = await Scrape.OfAsync(api.Http);
            Assert.Equal(1, scrape.Value("allocator_vms", "pool=\"default\"", "state=\"assigned\""));
            Assert.Contains("allocator_server_connections", scrape.Names);
            Assert.Equal(3, scrape.Value("allocator_polls_total", "status=\"304\"", "way=\"short\""));
            Assert.True(scrape.Value("allocator_polls_total", "status=\"200\"") >= 1);
            Assert.Equal(1, scrape.Value("allocator_polls_total", "status=\"401\""));
            foreach (var step in new[] { "assigned", "received", "connected" })
            {
                Assert.Equal(1, scrape.Value("allocator_pickup_duration_seconds_count", "pool=\"default\"", $"step=\"{step}\""));
                Assert.InRange(scrape.Value("allocator_pickup_duration_seconds_sum", "pool=\"default\"", $"step=\"{step}\""), 0.0001, 60);
            }
            Assert.Equal(1, scrape.Value("allocator_claim_duration_seconds_count", "outcome=\"bound\""));
            Assert.Equal(1, scrape.Value("allocator_outcomes_total", "outcome=\"connected\""));
            Assert.Equal(0, scrape.Value("allocator_queue_length", "pool=\"default\""));
            Assert.Equal(0, scrape.Value("allocator_queue_wait_seconds", "pool=\"default\""));
            foreach (var state in new[] { "free", "cleaning", "held", "unready" })
            {
                Assert.Equal(0, scrape.Value("allocator_vms", "pool=\"default\"", $"state=\"{state}\""));
            }
            Assert.Equal(0, scrape.Value("allocator_vms_lost", "pool=\"default\""));
            Assert.Equal(1, scrape.Value("allocator_fleet_loaded"));
            Assert.InRange(scrape.Value("allocator_fleet_age_seconds"), 0, 30);
            Assert.InRange(scrape.Value("allocator_feed_lag_seconds"), 0.04, 30);
            Assert.True(scrape.Value("allocator_feed_duration_seconds_count") > 1);
            Assert.True(scrape.Value("allocator_liveness_flush_duration_seconds_count", "outcome=\"written\"") >= 1);
            Assert.Equal(1, scrape.Value("allocator_liveness_rows_total"));
            Assert.Equal(8, scrape.Value("db_client_connection_max"));
            Assert.Equal(300, scrape.Value("allocator_server_connections_max"));
            Assert.Equal(1,
                scrape.Value("http_server_request_duration_seconds_count", "http_route=\"/assignments/\"", "http_response_status_code=\"202\""));
            Assert.True(scrape.Value("http_server_request_duration_seconds_count", "http_route=\"\"", "http_response_status_code=\"404\"") >= 1);
            // Polls are counted, not measured; and no label identifies a person or a VM.
            Assert.DoesNotContain("http_route=\"/assignment/{hostname}\"", scrape.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("ada@", scrape.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("vm-1", scrape.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("no/such", scrape.Text, StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task Queue_and_states_are_counted_for_each_pool()
    {
        var connectionString = await server.CreateDatabaseAsync();
        await using (var database = NpgsqlDataSource.Create(connectionString))
        {
            await using var fill = database.CreateCommand(
                """
                insert into pools (name) values ('gpu');
                insert into vms (hostname, pool, machine_id, token_hash, status, hold, lost_at, cleaning, cleaning_since)
                select 'vm-' || n, 'gpu', 'm', sha256('x'), status, hold, lost_at, cleaning, case when cleaning then now() end
                from (values
                    (1, 'running', null, null, false), (2, 'running', null, null, false), (3, 'running', 'held', null, false),
                    (4, 'running', null, now(), false), (5, 'error', null, null, false), (6, 'running', null, now(), true)
                ) vm (n, status, hold, lost_at, cleaning);
                insert into liveness (hostname, polled_at) select hostname, now() from vms;
                insert into assignments (id, pool, email, email_key, requested_at)
                select gen_random_uuid(), 'gpu', n || '@example.org', n || '@example.org', now() - n * interval '1 minute'
                from generate_series(1, 3) n
                """);
            await fill.ExecuteNonQueryAsync();
        }
        await using var api = await ApiProcess.StartAsync(connectionString);

        var scrape = await Scrape.OfAsync(api.Http);

        Assert.Equal([2, 0, 1, 1, 2], new[] { "free", "assigned", "cleaning", "held", "unready" }
            .Select(state => scrape.Value("allocator_vms", "pool=\"gpu\"", $"state=\"{state}\"")));
        Assert.Equal(2, scrape.Value("allocator_vms_lost", "pool=\"gpu\""));
        Assert.Equal(3, scrape.Value("allocator_queue_length", "pool=\"gpu\""));
        Assert.InRange(scrape.Value("allocator_queue_wait_seconds", "pool=\"gpu\""), 180, 300);
        Assert.Equal(0, scrape.Value("allocator_queue_length", "pool=\"default\""));
    }

    [Fact]
    public async Task Metrics_are_closed_unless_a_setting_opens_them()
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var closed = await deployment.Admin.GetAsync("/metrics");
        Assert.Equal(HttpStatusCode.NotFound, closed.StatusCode);
        await using var open = await Deployment.StartAsync(deployment.ConnectionString, settings: new() { ["Telemetry:PublicMetrics"] = "true" });
        using var opened = await open.Person.GetAsync("/metrics");
        Assert.Equal(HttpStatusCode.OK, opened.StatusCode);
    }

    [Fact]
    public async Task Metrics_can_be_served_on_a_separate_port()
    {
        using var port = new ReservedPort();
        await using var api =
            await ApiProcess.StartAsync(await server.CreateDatabaseAsync(), new() { ["Telemetry__MetricsPort"] = $"{port.Number}" });
        using var inside = new HttpClient();
        Assert.Contains("allocator_polls_total", await inside.GetStringAsync(new Uri($"http://{port.Authority}/metrics")), StringComparison.Ordinal);

        using var outside = await api.Http.GetAsync("/metrics");
        Assert.Equal(HttpStatusCode.NotFound, outside.StatusCode);
        Assert.Equal("application/problem+json", outside.Content.Headers.ContentType!.MediaType);

        // A forged Host header gives no access.
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics") { Headers = { Host = port.Authority } };
        using var pretended = await api.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.NotFound, pretended.StatusCode);
    }
}
