using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Allocator.Api.Data;
using Allocator.DevDatabase;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace Allocator.Tests.Health;

/// <summary>These tests use a separate server with few connections and a role that is not a superuser.</summary>
public sealed class ConnectionHealthTests : IAsyncLifetime
{
    private const int Max = 14;
    private const int Reserved = 3;

    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-connections-").FullName;
    private PrivatePostgres _postgres = null!;
    private string _connectionString = null!;

    public async ValueTask InitializeAsync()
    {
        _postgres = await PrivatePostgres.StartAsync(_folder, [$"max_connections={Max}", $"superuser_reserved_connections={Reserved}"]);
        await using var superuser = NpgsqlDataSource.Create(_postgres.ConnectionString + ";Pooling=false");
        await superuser.Command("create role ordinary login").ExecuteAsync(default);
        await superuser.Command("create database ordinary owner ordinary").ExecuteAsync(default);
        _connectionString = new NpgsqlConnectionStringBuilder(_postgres.ConnectionStringTo("ordinary")) { Username = "ordinary" }.ConnectionString;
        await PostgresServer.MigrateAsync(_connectionString);
    }

    [Fact]
    public async Task Whole_server_is_shown_by_state_and_by_application()
    {
        await using var one = await StartAsync("one");
        await using var two = await StartAsync("two");
        await using var listener = await OpenAsync("listener", "listen anything");
        await using var hidden = new NpgsqlConnection(_postgres.ConnectionString + ";Pooling=false;Application Name=other");
        await hidden.OpenAsync();

        var (status, body) = await GetAsync(one);

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("healthy", (string)body["status"]!);
        Assert.Equal((Max, Reserved, 1), ((int)body["max_connections"]!, (int)body["reserved_connections"]!, (int)body["listen_connections"]!));
        var active = (int)body["active_connections"]!;
        Assert.InRange(active, 4, 6);
        Assert.Equal(Math.Round(100.0 * active / Max, 1), (double)body["utilization_percent"]!);
        Assert.Equal((false, false), ((bool)body["warning"]!, (bool)body["critical"]!));
        Assert.Equal(active, body["by_state"]!.AsObject().Sum(state => (int)state.Value!));
        Assert.Equal(1, (int)body["by_state"]!["hidden"]!);
        var applications = body["by_application"]!.AsObject();
        Assert.Equal(["allocator-api one", "allocator-api two", "listener", "other"],
            applications.Select(application => application.Key).Order(StringComparer.Ordinal));
        Assert.Equal(active, applications.Sum(application => (int)application.Value!));
        Assert.Equal((2, 2, 4), ((int)body["replicas_seen"]!, (int)body["pool_size"]!, (int)body["connection_budget"]!));
        Assert.Equal(Math.Round(400.0 / (Max - Reserved), 1), (double)body["budget_percent"]!);
        Assert.NotNull(body["read_at"]);
        Assert.InRange((double)body["age_seconds"]!, 0, 1);
        Assert.Null(body["detail"]);
    }

    [Fact]
    public async Task Full_server_is_critical_and_still_described_without_a_free_connection()
    {
        await using var one = await StartAsync("one");
        await using var two = await StartAsync("two");
        await GetAsync(one);
        var takers = new List<NpgsqlConnection>();
        await TakeAllAsync(takers);

        // The replica answers through the connection that it already has.
        var (status, full) = await GetAsync(two);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Equal(("critical", true, true), ((string)full["status"]!, (bool)full["warning"]!, (bool)full["critical"]!));
        Assert.Equal(Max - Reserved, (int)full["active_connections"]!);

        // The replica answers without any connection.
        await using var superuser = NpgsqlDataSource.Create(_postgres.ConnectionString + ";Pooling=false");
        await Wait.UntilAsync(async () =>
        {
            await superuser.Command("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'allocator-api one'")
                .ExecuteAsync(default);
            await TakeAllAsync(takers);
            await using var left = superuser.Command("select count(*) from pg_stat_activity where application_name = 'allocator-api one'");
            return (long)(await left.ExecuteScalarAsync())! == 0;
        }, "the replica has no connection left");
        // On a busy machine the first attempt may time out before it is refused.
        var known = full;
        await Wait.UntilAsync(async () =>
        {
            (status, known) = await GetAsync(one);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
            return ((string)known["status"]!, (bool)known["critical"]!) == ("unavailable", true);
        }, "the replica has been refused");
        Assert.Equal(Max, (int)known["max_connections"]!);
        Assert.NotNull(known["read_at"]);
        Assert.True((double)known["age_seconds"]! > 0);
        Assert.Contains("no connection left", (string)known["detail"]!, StringComparison.Ordinal);

        foreach (var taker in takers)
        {
            await taker.DisposeAsync();
        }
        await Wait.UntilAsync(async () => (await GetAsync(one)).Status == HttpStatusCode.OK, "enough connections are free again");
    }

    [Fact]
    public async Task Replica_with_all_connections_in_use_answers_from_its_last_reading()
    {
        await using var replica = await StartAsync("one");
        await GetAsync(replica);
        var pool = replica.Services.GetRequiredService<NpgsqlDataSource>();
        await using (var first = await pool.OpenConnectionAsync())
        await using (var second = await pool.OpenConnectionAsync())
        {
            foreach (var (status, body) in await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => GetAsync(replica))))
            {
                Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
                Assert.Equal("unavailable", (string)body["status"]!);
                Assert.Equal(Max, (int)body["max_connections"]!);
                Assert.Contains("2 connections", (string)body["detail"]!, StringComparison.Ordinal);
            }
        }
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(replica)).Status);
    }

    [Fact]
    public async Task Replica_that_never_reached_the_database_reports_unavailable()
    {
        await _postgres.StopAsync();
        await using var replica = Start("one");

        var (status, body) = await GetAsync(replica);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Equal(("unavailable", false, 2), ((string)body["status"]!, (bool)body["critical"]!, (int)body["pool_size"]!));
        Assert.Equal(
            ["active_connections", "listen_connections", "max_connections", "utilization_percent", "read_at", "age_seconds", "replicas_seen"],
            new[] { "active_connections", "listen_connections", "max_connections", "utilization_percent", "read_at", "age_seconds", "replicas_seen" }
                .Where(name => body.AsObject().ContainsKey(name) && body[name] is null));
        Assert.Contains("database is unavailable", (string)body["detail"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_admins_can_read_connection_health()
    {
        await using var replica = await StartAsync("one");
        using var http = replica.Connect();
        using var response = await http.GetAsync("/api/health/connections");
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
    }

    public async ValueTask DisposeAsync()
    {
        await _postgres.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private Replica Start(string name) =>
        new($"{_connectionString};Application Name=allocator-api {name}", new Dictionary<string, string> { ["Database:PoolSize"] = "2" });

    private async Task<Replica> StartAsync(string name)
    {
        var replica = Start(name);
        await replica.WaitUntilReadyAsync();
        return replica;
    }

    private static async Task<(HttpStatusCode Status, JsonNode Body)> GetAsync(Replica replica)
    {
        using var http = replica.Connect();
        http.DefaultRequestHeaders.Authorization = Deployment.Basic("admin", Replica.AdminPassword);
        using var response = await http.GetAsync("/api/health/connections");
        return (response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonNode>())!);
    }

    private async Task<NpgsqlConnection> OpenAsync(string name, string sql)
    {
        var connection = new NpgsqlConnection($"{_connectionString};Pooling=false;Application Name={name}");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
        return connection;
    }

    private async Task TakeAllAsync(List<NpgsqlConnection> takers)
    {
        try
        {
            while (true)
            {
                takers.Add(await OpenAsync("taker", "select 1"));
            }
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.TooManyConnections)
        {
            // All connections are taken.
        }
    }
}
