using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Allocator.Api.Data;
using Allocator.Api.Security;
using Allocator.Contracts;
using Allocator.DevDatabase;
using Allocator.Tests.Infrastructure;
using Npgsql;
using Xunit;

namespace Allocator.Tests.Data;

/// <summary>Tests the password setting, which is separate from the connection string and can change while replicas run.</summary>
public sealed class PasswordTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-password-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Replica_answers_polls_after_a_password_change_and_new_ones_use_the_new_password()
    {
        await using var postgres = await PrivatePostgres.StartAsync(_folder);
        await using var owner = NpgsqlDataSource.Create(postgres.ConnectionString + ";Pooling=false");
        foreach (var sql in new[]
        {
            "create role app login password 'first'",
            "alter database allocator owner to app",
            "alter schema public owner to app",
            $"copy (values ('local all allocator trust'), ('local all all scram-sha-256')) to '{_folder}/postgres/pg_hba.conf'",
            "select pg_reload_conf()",
        })
        {
            await owner.Command(sql).ExecuteAsync(default);
        }
        var connection = new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Username = "app", Password = "another" }.ConnectionString;
        await using var before = await ApiProcess.StartAsync(connection, new() { ["Database__Password"] = "first" });

        await owner.Command("alter role app password 'second'").ExecuteAsync(default);

        await using var after = await ApiProcess.StartAsync(connection, new() { ["Database__Password"] = "second" });
        using var asked = new HttpRequestMessage(HttpMethod.Post, "/vms") { Content = JsonContent.Create(new EnrolmentRequest("vm-1", "machine-1")) };
        asked.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Replica.EnrolmentToken);
        using var enrolled = await after.Http.SendAsync(asked);
        var token = (await enrolled.Content.ReadFromJsonAsync<Enrolment>())!.Token;
        before.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        // The older replica can learn of this VM only from the database.
        await Wait.UntilAsync(async () =>
            (await before.Http.GetAsync("/assignment/vm-1")).StatusCode == HttpStatusCode.OK, "the older replica knows the VM");

        // The worst case before its replacement: the replica loses all its connections and cannot open another.
        await owner.Command("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'").ExecuteAsync(default);
        using (var refused = await before.Http.PostAsJsonAsync("/assignments", new AssignmentRequest("ada@example.org")))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.NotNull(refused.Headers.RetryAfter);
        }
        Assert.Equal(HttpStatusCode.OK, (await before.Http.GetAsync("/assignment/vm-1")).StatusCode);
        await Wait.UntilAsync(async () =>
            (await after.Http.PostAsJsonAsync("/assignments", new AssignmentRequest("ada@example.org"))).IsSuccessStatusCode,
                "the newer replica takes people");
        // Monitoring looks for this code.
        await Wait.UntilAsync(() => before.Output.Contains("28P01", StringComparison.Ordinal), "the reason is logged");

        await using var late = Executable.Start("Allocator.Api", [], new Dictionary<string, string?>
        {
            ["Database__ConnectionString"] = connection,
            ["Database__Password"] = "first",
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
            ["Admin__ApiKeys__tests"] = Credentials.HashKey(Replica.ApiKey),
            ["Enrolment__TokenHashes__0"] = Credentials.HashKey(Replica.EnrolmentToken),
        });
        Assert.Equal(1, await late.WaitForExitAsync());
        Assert.Contains("Database__Password", late.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("first", late.Output, StringComparison.Ordinal);
    }
}
