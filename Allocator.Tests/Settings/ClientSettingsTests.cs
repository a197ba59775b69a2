using Allocator.Client.Agent;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Allocator.Tests.Settings;

/// <summary>A misspelt setting stops the client and is named together with the setting that was probably meant.</summary>
public sealed class ClientSettingsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-settings-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(
        """{"url":"http://127.0.0.1:1","machineId":"m","hooks":{"asigned":["/opt/hook"]}}""", "Hooks__X", null, "hooks:asigned:0", "Hooks:Assigned")]
    [InlineData("""{"url":"http://127.0.0.1:1","machineId":"m","statefolder":"/tmp","proxies":"s3cret"}""", "Hooks__X", null, "proxies", "Proxy")]
    [InlineData("""{"url":"http://127.0.0.1:1","machineId":"m"}""", "EnrolmentTokn", "s3cret", "EnrolmentTokn", "EnrolmentToken")]
    [InlineData("""{"url":"http://127.0.0.1:1","machineId":"m"}""", "Gpu__Programm", "", "Gpu:Programm", "Gpu:Program")]
    public async Task Misspelt_setting_stops_the_client(string file, string variable, string? value, string key, string nearest)
    {
        var path = Path.Combine(_folder, "client.json");
        await File.WriteAllTextAsync(path, file);
        await using var program = Executable.Start(
            "allocator", ["run", "--config", path], new Dictionary<string, string?> { ["ALLOCATOR_" + variable] = value });

        Assert.Equal(2, await program.WaitForExitAsync());

        var variableOfKey = $"ALLOCATOR_{key.Replace(":", "__", StringComparison.Ordinal)}";
        Assert.Contains($"{key} (environment variable {variableOfKey}) is '(hidden)'; ", program.Output, StringComparison.Ordinal);
        Assert.EndsWith($"did you mean {nearest}?", program.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Variables_of_other_programs_are_not_misspelt_settings()
    {
        string[] others =
        [
            "ADMIN_USER", "ADMIN_PASSWORD", "ADMIN_FILE", "API_KEY", "EVENT", "EMAIL", "GENERATION", "ASSIGNMENT_ID", "HOOK_RUN",
            "TERRAFORM_MIRROR", "EMULATOR",
        ];
        var settings = others.Append("MachineId").ToDictionary(name => name, string? (_) => "x");
        settings["Url"] = "http://127.0.0.1:1";
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings).Build();

        Assert.Equal("x", ClientOptions.Read(configuration).MachineId);
    }
}
