using System.Net.Http.Json;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Client.Polling;

/// <summary>Runs the program in <c>samples</c>, which uses the library, against the real API.</summary>
public sealed class SampleTests(PostgresServer server)
{
    [Fact]
    public async Task Greeter_serves_one_person_after_the_other()
    {
        var folder = Directory.CreateTempSubdirectory("allocator-greeter-");
        await using var api = await ApiProcess.StartAsync(await server.CreateDatabaseAsync());
        await using var greeter = Executable.Start("Greeter", [], new Dictionary<string, string?>
        {
            ["GREETER_Url"] = $"{api.Http.BaseAddress}",
            ["GREETER_EnrolmentToken"] = Replica.EnrolmentToken,
            ["GREETER_StateFolder"] = folder.FullName,
        });

        var ada = await AskAsync(api, "ada@example.org");
        var connected = await WaitUntilAsync(api, ada, AssignmentState.Connected);
        Assert.Equal(("greeter", "https://greeter.example.org/"), (connected.Hostname, connected.ConnectUrl));
        await Wait.UntilAsync(() => greeter.Output.Contains("Hello ada@example.org, greeter is yours", StringComparison.Ordinal),
            "the program has greeted the person");

        (await api.Http.DeleteAsync($"/assignments/{ada}")).Dispose();
        await WaitUntilAsync(api, await AskAsync(api, "bob@example.org"), AssignmentState.Connected);
        await Wait.UntilAsync(() => greeter.Output.Contains("Goodbye", StringComparison.Ordinal), "the program has cleaned up");

        Assert.Equal(0, await greeter.StopAsync());
        folder.Delete(recursive: true);
    }

    private static async Task<Guid> AskAsync(ApiProcess api, string email)
    {
        using var response = await api.Http.PostAsJsonAsync("/assignments", new AssignmentRequest(email));
        return (await response.Content.ReadFromJsonAsync<Assignment>())!.Id;
    }

    private static Task<Assignment> WaitUntilAsync(ApiProcess api, Guid id, AssignmentState state) => Wait.ForAsync(
        async () => await api.Http.GetFromJsonAsync<Assignment>($"/assignments/{id}") is { } assignment
            && assignment.State == state ? assignment : null,
        $"the assignment is {state}");
}
