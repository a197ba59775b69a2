using Allocator.Api.Health;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Health;

/// <summary><c>Allocator.Api health</c>, which the container's health check runs.</summary>
public sealed class HealthCommandTests(PostgresServer server)
{
    [Fact]
    public async Task Ready_replica_is_found_by_the_variables_that_set_its_address()
    {
        await using var deployment = await Deployment.StartAsync(server);
        var port = deployment.Replica.Address.Port;

        Assert.Equal((0, "ready"), await RunAsync(new() { ["ASPNETCORE_URLS"] = $"https://*:1;http://*:{port}" }));
        Assert.Equal((0, "ready"), await RunAsync(new() { ["ASPNETCORE_HTTP_PORTS"] = $"{port}" }));
        foreach (var host in new[] { "*", "+", "0.0.0.0", "[::]", "127.0.0.1", "api.example.org" })
        {
            Assert.Equal(0, await HealthCommand.RunAsync(["--urls", $"http://{host}:{port}"]));
        }
    }

    [Fact]
    public async Task Replica_that_is_not_ready_is_unhealthy_and_its_reason_is_printed()
    {
        await using var replica = new Replica("Host=/no/such/folder;Username=nobody;Database=nothing", new Dictionary<string, string>());
        Assert.Equal((1, "loading the fleet"), await RunAsync(new() { ["ASPNETCORE_URLS"] = replica.Address.ToString() }));
    }

    [Fact]
    public async Task Replica_that_does_not_answer_is_unhealthy_and_its_address_is_printed()
    {
        using var port = new ReservedPort();
        var (exitCode, output) = await RunAsync(new() { ["ASPNETCORE_URLS"] = $"http://{port.Authority}" });
        Assert.Equal(1, exitCode);
        Assert.StartsWith($"http://{port.Authority}/health/ready: ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Replica_without_an_http_address_is_unhealthy_and_the_remedy_is_printed()
    {
        var (exitCode, output) = await RunAsync(new() { ["ASPNETCORE_URLS"] = "https://*:8443" });
        Assert.Equal(1, exitCode);
        Assert.Contains("--urls http://127.0.0.1:8080", output, StringComparison.Ordinal);
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(Dictionary<string, string?> environment)
    {
        await using var program = Executable.Start("Allocator.Api", ["health"], environment);
        return (await program.WaitForExitAsync(), program.Output);
    }
}
