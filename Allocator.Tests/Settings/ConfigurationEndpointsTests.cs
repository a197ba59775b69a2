using System.Net;
using System.Net.Http.Json;
using Allocator.Api.Security;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Settings;

public sealed class ConfigurationEndpointsTests(PostgresServer server)
{
    [Fact]
    public async Task Admin_sees_what_is_in_force_and_where_it_comes_from()
    {
        await using var api = await ApiProcess.StartAsync(
            await server.CreateDatabaseAsync() + ";Password=s3cret",
            new()
            {
                ["Polls__MaxAge"] = "00:00:20",
                ["OTEL_EXPORTER_OTLP_HEADERS"] = "api-key=s3cret",
                ["Admin__Users__ada"] = Credentials.HashPassword("s3cret"),
            },
            "--Delivery:MaxAttempts=5");

        var text = await api.Admin.GetStringAsync("/config");
        var configuration = (await api.Admin.GetFromJsonAsync<ReplicaConfiguration>("/config"))!;

        Assert.Equal("Production", configuration.Environment);
        Assert.StartsWith("allocator-api ", configuration.Replica, StringComparison.Ordinal);
        var settings = configuration.Settings.ToDictionary(setting => setting.Key);
        Assert.Equal(new Setting("Polls:MaxAge", "Polls__MaxAge", "00:00:20", "environment"), settings["Polls:MaxAge"]);
        Assert.Equal(new Setting("Delivery:MaxAttempts", "Delivery__MaxAttempts", "5", "command line"), settings["Delivery:MaxAttempts"]);
        Assert.Equal(new Setting("Database:PoolSize", "Database__PoolSize", "8", "appsettings.json"), settings["Database:PoolSize"]);
        Assert.Equal(new Setting("Database:DataFolder", "Database__DataFolder", "", "default"), settings["Database:DataFolder"]);
        Assert.Equal(("***", "environment"), (settings["OTEL_EXPORTER_OTLP_HEADERS"].Value, settings["OTEL_EXPORTER_OTLP_HEADERS"].Source));
        Assert.Equal(("***", "environment"), (settings["Admin:Users:ada"].Value, settings["Admin:Users:ada"].Source));
        Assert.Equal("***", settings["Admin:ApiKeys:tests"].Value);
        Assert.Equal("***", settings["Enrolment:TokenHashes:0"].Value);
        Assert.Contains("Password=***", settings["Database:ConnectionString"].Value, StringComparison.Ordinal);
        Assert.Contains("Host=", settings["Database:ConnectionString"].Value, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Credentials.HashKey(Replica.ApiKey), text, StringComparison.Ordinal);
        Assert.Equal(configuration.Settings.Select(setting => setting.Key).Order(), configuration.Settings.Select(setting => setting.Key));

        using var anonymous = await api.Http.GetAsync("/config");
        Assert.Equal(HttpStatusCode.Unauthorized, anonymous.StatusCode);
    }
}
