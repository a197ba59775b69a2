using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using DbUp;
using DbUp.Engine;
using Xunit;

namespace Allocator.Tests.Delivery;

/// <summary>Replicas are replaced one by one behind a load balancer without retries, while VMs poll and people request VMs.</summary>
public sealed class RollingDeployTests(PostgresServer server)
{
    private const int Vms = 12;

    [Fact]
    public async Task Rolling_deployment_fails_no_poll_and_loses_or_doubles_no_assignment()
    {
        var connection = await server.CreateDatabaseAsync();
        // Reserved until the end: each replica is replaced by one on the same port.
        var reserved = Enumerable.Range(0, 3).Select(_ => new ReservedPort()).ToArray();
        var ports = reserved.Select(port => port.Number).ToArray();
        var replicas = new List<ApiProcess>();
        foreach (var port in ports)
        {
            replicas.Add(await StartAsync(connection, port));
        }
        // HAProxy repeats no request: its retries would hide failures, and some load balancers have none.
        await using var balancer = await LoadBalancer.StartAsync(ports, "60s", "  retries 0");
        using var people = new HttpClient { BaseAddress = balancer.Address };
        var failures = new ConcurrentQueue<string>();
        var got = new ConcurrentQueue<(string Vm, Guid Person)>();
        using var enough = new CancellationTokenSource();
        var vms = await Task.WhenAll(Enumerable.Range(1, Vms).Select(i => EnrolAsync(people, $"vm-{i}")));
        var polls = 0;
        var polling = vms.Select(vm => Task.Run(async () =>
        {
            using var http = new HttpClient { BaseAddress = balancer.Address,
                DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", vm.Token) } };
            string? tag = null;
            // Without a pace the polls would take the processor that a starting replica needs.
            using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            while (!enough.IsCancellationRequested && await pace.WaitForNextTickAsync())
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, $"/assignment/{vm.Hostname}");
                request.Headers.TryAddWithoutValidation("If-None-Match", tag);
                using var response = await http.SendAsync(request);
                Interlocked.Increment(ref polls);
                if (response.StatusCode is not (HttpStatusCode.OK or HttpStatusCode.NotModified))
                {
                    failures.Enqueue($"{vm.Hostname}: {(int)response.StatusCode}");
                    continue;
                }
                tag = response.Headers.ETag!.Tag;
                if (response.StatusCode == HttpStatusCode.OK
                    && await response.Content.ReadFromJsonAsync<VmAssignment>() is { Assignment: { } person })
                {
                    got.Enqueue((vm.Hostname, person.Id));
                }
            }
        })).ToArray();

        var asked = new List<Guid>();
        async Task AskAsync()
        {
            using var response = await people.PostAsJsonAsync("/assignments", new AssignmentRequest($"person-{asked.Count}@example.org"));
            Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
            asked.Add((await response.Content.ReadFromJsonAsync<Assignment>())!.Id);
        }
        var exits = new List<int>();
        for (var i = 0; i < replicas.Count; i++)
        {
            await AskAsync();
            // The former version keeps working on the schema of the next one, and starts on it after a rollback.
            if (i == 1)
            {
                Assert.True(NextVersion(connection).PerformUpgrade().Successful);
            }
            var stopping = replicas[i].StopAsync();
            await AskAsync();
            exits.Add(await stopping);
            await AskAsync();
            await replicas[i].DisposeAsync();
            replicas[i] = await StartAsync(connection, ports[i]);
            await AskAsync();
            var now = Volatile.Read(ref polls);
            await Wait.UntilAsync(() => Volatile.Read(ref polls) > now + 200, "VMs go on polling");
        }
        await Wait.UntilAsync(() => got.Select(one => one.Person).Distinct().Count() == asked.Count, "everybody has a VM");
        await enough.CancelAsync();
        await Task.WhenAll(polling);

        Assert.Empty(failures);
        Assert.Equal([0, 0, 0], exits);
        Assert.Equal(Vms, asked.Count);
        Assert.Equal(asked.Order(), got.Select(one => one.Person).Distinct().Order());
        Assert.Equal(Vms, got.Distinct().Select(one => one.Vm).Distinct().Count());
        Assert.Equal(Vms, got.Distinct().Count());
        foreach (var replica in replicas)
        {
            await replica.DisposeAsync();
        }
        Array.ForEach(reserved, port => port.Dispose());
    }

    /// <summary>Returns the upgrade to a next version, which only adds to the schema, as migrations must while former replicas run.</summary>
    private static UpgradeEngine NextVersion(string connection) => DeployChanges.To
        .PostgresqlDatabase(connection)
        .WithScript("Allocator.Api.Data.Migrations.9999_next_version.sql",
            """
            alter table vms add column next_version text not null default '';
            create index vms_next_version on vms (next_version);
            create table next_version (id uuid primary key, hostname text not null references vms);
            """)
        .JournalToPostgresqlTable("public", "schema_versions")
        .WithTransactionPerScript()
        .LogToNowhere()
        .Build();

    private static Task<ApiProcess> StartAsync(string connection, int port) => ApiProcess.StartAsync(connection, new Dictionary<string, string?>
    {
        ["ASPNETCORE_URLS"] = $"http://127.0.0.1:{port}",
        ["Proxies__Known__0"] = "127.0.0.1",
        ["Health__Drain"] = "00:00:01",
    });

    private static async Task<Enrolment> EnrolAsync(HttpClient http, string hostname)
    {
        using var request =
            new HttpRequestMessage(HttpMethod.Post, "/vms") { Content = JsonContent.Create(new EnrolmentRequest(hostname, "machine-" + hostname)) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Replica.EnrolmentToken);
        using var response = await http.SendAsync(request);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        var vm = (await response.Content.ReadFromJsonAsync<Enrolment>())!;
        using var report =
            new HttpRequestMessage(HttpMethod.Put, $"/vms/{hostname}/report") { Content = JsonContent.Create(new VmReport(VmStatus.Running)) };
        report.Headers.Authorization = new AuthenticationHeaderValue("Bearer", vm.Token);
        using var reported = await http.SendAsync(report);
        Assert.True(reported.IsSuccessStatusCode, await reported.Content.ReadAsStringAsync());
        return vm;
    }
}
