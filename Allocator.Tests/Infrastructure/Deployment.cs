using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Allocator.Api.Data;
using Allocator.Api.Fleet;
using Allocator.Contracts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using Xunit;

namespace Allocator.Tests.Infrastructure;

/// <summary>A database and its replicas, with the three kinds of callers.</summary>
internal sealed class Deployment : IAsyncDisposable
{
    private static readonly Dictionary<string, string> NoSettings = [];

    private TimeSpan _clock;

    private Deployment(string connectionString)
    {
        ConnectionString = connectionString;
        Database = NpgsqlDataSource.Create(connectionString + ";No Reset On Close=true");
    }

    public string ConnectionString { get; }

    public NpgsqlDataSource Database { get; }

    public List<Replica> Replicas { get; } = [];

    public Replica Replica => Replicas[0];

    /// <summary>Gets a client without credentials, such as a person who requests a VM.</summary>
    public HttpClient Person { get; private set; } = null!;

    public HttpClient Admin { get; private set; } = null!;

    public static async Task<Deployment> StartAsync(PostgresServer server, int replicas = 1, Dictionary<string, string>? settings = null) =>
        await StartAsync(await server.CreateDatabaseAsync(), replicas, settings);

    public static async Task<Deployment> StartAsync(string connectionString, int replicas = 1, Dictionary<string, string>? settings = null)
    {
        var deployment = new Deployment(connectionString);
        for (var i = 0; i < replicas; i++)
        {
            deployment.AddReplica(connectionString, settings);
        }
        foreach (var replica in deployment.Replicas)
        {
            await replica.WaitUntilReadyAsync();
        }
        if (replicas > 0)
        {
            deployment.Person = deployment.Replica.Connect();
            deployment.Admin = deployment.Replica.Connect();
            deployment.Admin.DefaultRequestHeaders.Authorization = Basic("admin", Replica.AdminPassword);
        }
        return deployment;
    }

    public Replica AddReplica(string connectionString, Dictionary<string, string>? settings = null)
    {
        var replica = new Replica(connectionString, settings ?? NoSettings);
        Replicas.Add(replica);
        return replica;
    }

    /// <summary>Stops the feed of every replica: a change made through another replica stays unknown to it until it reads that VM.</summary>
    public Task StopFeedsAsync() => Task.WhenAll(Replicas.Select(replica =>
        replica.Services.GetServices<IHostedService>().OfType<FleetFeed>().Single().StopAsync(default)));

    /// <summary>Enrols a VM; it is not free yet.</summary>
    public async Task<TestVm> EnrolAsync(string hostname, string? pool = null, Replica? replica = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri((replica ?? Replica).Address, "/vms"))
        {
            Content = JsonContent.Create(new EnrolmentRequest(hostname, "machine-" + hostname.ToLowerInvariant(), pool)),
            Headers = { Authorization = new AuthenticationHeaderValue("Bearer", Replica.EnrolmentToken) },
        };
        using var response = await Person.SendAsync(request);
        response.EnsureSuccessStatusCode();
        var enrolment = await response.Content.ReadFromJsonAsync<Enrolment>();
        return new TestVm(this, enrolment!.Hostname, enrolment.Token);
    }

    /// <summary>Enrols VMs and waits until every replica knows that they are free.</summary>
    public async Task<TestVm[]> EnrolFreeAsync(params string[] hostnames)
    {
        var vms = await Task.WhenAll(hostnames.Select(async hostname =>
        {
            var vm = await EnrolAsync(hostname);
            await vm.ReportAsync(new VmReport(VmStatus.Running));
            return vm;
        }));
        foreach (var vm in vms)
        {
            await WaitForFleetAsync(vm.Hostname, view => view.IsFree);
        }
        return vms;
    }

    /// <summary>Waits until this VM meets the condition in the fleet of every replica.</summary>
    public Task WaitForFleetAsync(string hostname, Func<VmSnapshot, bool> condition) => Wait.UntilAsync(
        () => Replicas.All(replica => replica.Fleet.Find(hostname) is { } vm && condition(vm.View)), $"the fleets know it of {hostname}");

    /// <summary>Waits until every replica knows the length of the default pool's queue.</summary>
    public Task WaitForQueueAsync(int waiting) => Wait.UntilAsync(
        () => Replicas.All(replica => replica.Fleet.FindPool("default")?.Waiting == waiting), $"the fleets know that {waiting} wait");

    public async Task<Assignment> AskAsync(string email, string? pool = null, string? command = null)
    {
        using var response = await Person.PostAsJsonAsync("/assignments", new AssignmentRequest(email, pool, null, command));
        response.EnsureSuccessStatusCode();
        return (await response.Content.ReadFromJsonAsync<Assignment>())!;
    }

    public async Task<Assignment> FindAsync(Guid id) => (await Person.GetFromJsonAsync<Assignment>($"/assignments/{id}"))!;

    public async Task<VmDetail> FindVmAsync(string hostname) => (await Admin.GetFromJsonAsync<VmDetail>($"/vms/{hostname}"))!;

    public async Task EndAsync(Guid id) => (await Person.DeleteAsync($"/assignments/{id}")).EnsureSuccessStatusCode().Dispose();

    /// <summary>Sends an admin's request that must succeed.</summary>
    public async Task DoAsync(string path, object? body = null)
    {
        using var response = await SendAsync(path, body);
        Assert.True(response.IsSuccessStatusCode, $"{path}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
    }

    public async Task<T> DoAsync<T>(string path, object? body = null)
    {
        using var response = await SendAsync(path, body);
        Assert.True(response.IsSuccessStatusCode, $"{path}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
        return (await response.Content.ReadFromJsonAsync<T>())!;
    }

    /// <summary>Sends an admin's request that must be refused; returns the status and the last part of the problem's type.</summary>
    public async Task<(int Status, string Type)> RefusedAsync(string path, object? body = null)
    {
        using var response = await SendAsync(path, body);
        var problem = (await response.Content.ReadFromJsonAsync<JsonNode>())!;
        return ((int)response.StatusCode, problem["type"]!.GetValue<string>().Split(':')[^1]);
    }

    public async Task PutPoolAsync(string pool, PoolSettings settings) =>
        (await Admin.PutAsJsonAsync($"/pools/{pool}", settings)).EnsureSuccessStatusCode().Dispose();

    public async Task<Pool> FindPoolAsync(string pool) => (await Admin.GetFromJsonAsync<Pool>($"/pools/{pool}"))!;

    public async Task<IReadOnlyList<EventRecord>> EventsAsync(string query) =>
        (await Admin.GetFromJsonAsync<Page<EventRecord>>($"/events?{query}"))!.Items;

    /// <summary>Waits until a complete sweep has run since this call.</summary>
    public async Task SweepAsync()
    {
        for (var i = 0; i < 3; i++)
        {
            var swept = await QueryAsync<DateTime>("select swept_at from sweeper");
            await Wait.UntilAsync(async () => await QueryAsync<DateTime>("select swept_at from sweeper") > swept, "a replica has swept");
        }
    }

    private Task<HttpResponseMessage> SendAsync(string path, object? body)
    {
        var words = path.Split(' ');
        var (method, target) = words.Length == 2 ? (new HttpMethod(words[0]), words[1]) : (HttpMethod.Post, path);
        return Admin.SendAsync(new HttpRequestMessage(method, target) { Content = body is null ? null : JsonContent.Create(body) });
    }

    /// <summary>Moves the database's clock forward, for all rules that depend on it.</summary>
    public async Task MoveClockAsync(TimeSpan by)
    {
        _clock += by;
        await ExecuteAsync(
            $"create or replace function clock() returns timestamptz language sql stable as 'select now() + interval ''{_clock.TotalSeconds} "
                + $"seconds'''");
    }

    public Task ExecuteAsync(string sql) => Database.Command(sql).ExecuteAsync(default);

    public async Task<T> QueryAsync<T>(string sql, params object[] values)
    {
        await using var command = Database.Command(sql, values);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var replica in Replicas)
        {
            await replica.DisposeAsync();
        }
        Person?.Dispose();
        Admin?.Dispose();
        await Database.DisposeAsync();
    }

    public static AuthenticationHeaderValue Basic(string name, string password) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{name}:{password}")));
}
