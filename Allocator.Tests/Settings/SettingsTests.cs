using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Settings;

/// <summary>A wrong setting stops the start with a message that names the setting and its valid values.</summary>
public sealed class SettingsTests(PostgresServer server)
{
    private static readonly string AnyHash = new('0', 64);

    [Theory]
    [InlineData("Database__PoolSize", "0", "Database:PoolSize", "2 to 100")]
    [InlineData("Database__PoolSize", "many", "Database:PoolSize", "many")]
    [InlineData("Database__ConnectionString", "Hots=nowhere;Password=s3cret", "Database:ConnectionString", "Npgsql connection string")]
    [InlineData("Database__ConnectionString", null, "Database:ConnectionString", "./run.sh")]
    [InlineData("Database__ConnectionString", " ", "Database:ConnectionString", "./run.sh")]
    [InlineData("Database__PoolSizes", "s3cret", "Database:PoolSizes", "did you mean Database:PoolSize?")]
    [InlineData("Database__Migrate", "Sometimes", "Database:Migrate", "one of Start, Command")]
    [InlineData("Database__Migrate", "7", "Database:Migrate", "one of Start, Command")]
    [InlineData("Database__CommandTimeout", "1.00:00:00", "Database:CommandTimeout", "00:10:00")]
    [InlineData("Fleet__FeedInterval", "fast", "Fleet:FeedInterval", "a time (hh:mm:ss)")]
    [InlineData("Fleet__FeedInterval", "01:00:00", "Fleet:FeedInterval", "00:00:10")]
    [InlineData("Polls__PickupsPerSecond", "0", "Polls:PickupsPerSecond", "1 to 1,000")]
    [InlineData("Delivery__DeliveryTimeout", "00:00:00", "Delivery:DeliveryTimeout", "00:00:01")]
    [InlineData("Delivery__MaxAttempts", "three", "Delivery:MaxAttempts", "a whole number")]
    [InlineData("Liveness__LostAfter", "1", "Liveness:LostAfter", "a time (hh:mm:ss)")]
    [InlineData("Liveness__LostAfter", "00:00:30", "Liveness:LostAfter", "at least twice")]
    [InlineData("Telemetry__MetricsPort", "70000", "Telemetry:MetricsPort", "0 to 65,535")]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT", "collector", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")]
    [InlineData("OTEL_EXPORTER_OTLP_PROTOCOL", "json", "OTEL_EXPORTER_OTLP_PROTOCOL", "'grpc' or 'http/protobuf'")]
    [InlineData("Admin__ApiKeys__ci", "my-key", "Admin:ApiKeys:ci", "64 hexadecimal digits")]
    [InlineData("Admin__Users__admin", "my-password", "Admin:Users:admin", "hash-password")]
    [InlineData("Enrolment__TokenHashes__0", "my-token", "Enrolment:TokenHashes:0", "64 hexadecimal digits")]
    [InlineData("Admin__ApiKeys__tests", null, "Admin:Users:<name>", "at least one admin")]
    [InlineData("Enrolment__TokenHashes__0", null, "Enrolment:TokenHashes:0", "new-key")]
    public async Task Wrong_setting_stops_the_start_and_is_named(string variable, string? value, string key, string whatWouldBeRight)
    {
        var environment = new Dictionary<string, string?>
        {
            ["ASPNETCORE_ENVIRONMENT"] = "Production",
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
            ["Database__ConnectionString"] = await server.CreateDatabaseAsync(),
            ["Admin__ApiKeys__tests"] = AnyHash,
            ["Enrolment__TokenHashes__0"] = AnyHash,
            [variable] = value,
        };
        await using var program = Executable.Start("Allocator.Api", [], environment);

        Assert.Equal(1, await program.WaitForExitAsync());

        Assert.Contains(key, program.Output, StringComparison.Ordinal);
        var variableOfKey = key.Replace("<name>", "", StringComparison.Ordinal).Replace(":", "__", StringComparison.Ordinal);
        Assert.Contains(variableOfKey, program.Output, StringComparison.Ordinal);
        Assert.Contains(whatWouldBeRight, program.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", program.Output, StringComparison.Ordinal);
        foreach (var secret in new[] { "s3cret", "my-key", "my-password", "my-token" })
        {
            Assert.DoesNotContain(secret, program.Output, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("Production", "")]
    [InlineData("Development", "")]
    [InlineData("Production", "migrate")]
    public async Task Missing_connection_string_stops_the_start_in_every_environment(string environment, string command)
    {
        await using var program = Executable.Start("Allocator.Api", command.Length == 0 ? [] : [command], new Dictionary<string, string?>
        {
            ["ASPNETCORE_ENVIRONMENT"] = environment,
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
            ["Database__ConnectionString"] = null,
            ["Admin__ApiKeys__tests"] = AnyHash,
            ["Enrolment__TokenHashes__0"] = AnyHash,
        });

        Assert.Equal(1, await program.WaitForExitAsync());

        Assert.Equal(
            "Database:ConnectionString (environment variable Database__ConnectionString) is ''; it must be an Npgsql connection string "
            + "such as Host=db;Database=allocator;Username=allocator. To try the system with a private database, run ./run.sh.",
            program.Output);
    }

    [Theory]
    [InlineData("nowhere")]
    [InlineData("http://192.0.2.1:1")]
    public async Task Address_that_cannot_be_listened_on_stops_the_start_and_is_named(string address)
    {
        await using var program = Executable.Start("Allocator.Api", [], new Dictionary<string, string?>
        {
            ["ASPNETCORE_ENVIRONMENT"] = "Production",
            ["ASPNETCORE_URLS"] = address,
            ["Database__ConnectionString"] = await server.CreateDatabaseAsync(),
            ["Admin__ApiKeys__tests"] = AnyHash,
            ["Enrolment__TokenHashes__0"] = AnyHash,
        });

        Assert.Equal(1, await program.WaitForExitAsync());

        Assert.Contains("urls (environment variable ASPNETCORE_URLS), cannot be used: ", program.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Commands_make_hashes_that_the_settings_take()
    {
        await using var hash = Executable.Start("Allocator.Api", ["hash-password"], new Dictionary<string, string?>(), "secret\n");
        Assert.Equal(0, await hash.WaitForExitAsync());
        Assert.DoesNotContain("secret", hash.Output, StringComparison.Ordinal);
        await using var key = Executable.Start("Allocator.Api", ["new-key"], new Dictionary<string, string?>());
        Assert.Equal(0, await key.WaitForExitAsync());
        Assert.Matches("key:  [A-Za-z0-9_-]{43}\nhash: [0-9a-f]{64}", key.Output);
        await using var unknown = Executable.Start("Allocator.Api", ["dance"], new Dictionary<string, string?>());
        Assert.Equal(2, await unknown.WaitForExitAsync());
        Assert.Contains("hash-password", unknown.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Schema_that_is_old_stops_a_replica_that_may_not_migrate()
    {
        var environment = new Dictionary<string, string?>
        {
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
            ["Database__ConnectionString"] = await server.CreateEmptyDatabaseAsync(),
            ["Database__Migrate"] = "Command",
            ["Admin__ApiKeys__tests"] = AnyHash,
            ["Enrolment__TokenHashes__0"] = AnyHash,
        };
        await using var refuses = Executable.Start("Allocator.Api", [], environment);
        Assert.Equal(1, await refuses.WaitForExitAsync());
        Assert.Contains("Allocator.Api migrate", refuses.Output, StringComparison.Ordinal);

        await using var migrates = Executable.Start("Allocator.Api", ["migrate"], environment);
        Assert.Equal(0, await migrates.WaitForExitAsync());
        await using var runs = Executable.Start("Allocator.Api", [], environment);
        await Wait.UntilAsync(() => runs.Output.Contains("The fleet is loaded", StringComparison.Ordinal), "the fleet is loaded");
        Assert.True(await runs.StopAsync() == 0, runs.Output);
    }
}
