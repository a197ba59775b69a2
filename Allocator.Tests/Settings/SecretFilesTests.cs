using System.Net.Http.Json;
using Allocator.Api.Security;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Npgsql;
using Xunit;

namespace Allocator.Tests.Settings;

/// <summary>Tests settings from secret files, with the real program.</summary>
public sealed class SecretFilesTests(PostgresServer server) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-secrets-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Secrets_are_read_from_files_override_all_other_sources_and_are_never_shown()
    {
        Write("Admin__Users__ada", Credentials.HashPassword("s3cret"));
        Write("Enrolment__TokenHashes__0", Credentials.HashKey("token-in-a-file") + "\n");
        Write("Polls__MaxAge", "00:00:25\n");
        Directory.CreateDirectory(Path.Combine(_folder, "folders-are-left-alone"));
        await using var api = await ApiProcess.StartAsync(
            await server.CreateDatabaseAsync(),
            new() { ["Secrets__Folder"] = _folder, ["Polls__MaxAge"] = "00:00:20" },
            "--Polls:MaxAge=00:00:21");

        using var request = new HttpRequestMessage(HttpMethod.Get, "/config") { Headers = { Authorization = Deployment.Basic("ada", "s3cret") } };
        using var response = await api.Http.SendAsync(request);
        var configuration = await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<ReplicaConfiguration>();
        var settings = configuration!.Settings.ToDictionary(setting => setting.Key);

        Assert.Equal(("***", "secret file"), (settings["Admin:Users:ada"].Value, settings["Admin:Users:ada"].Source));
        Assert.Equal(("***", "environment"), (settings["Admin:ApiKeys:tests"].Value, settings["Admin:ApiKeys:tests"].Source));
        Assert.Equal(("***", "secret file"), (settings["Enrolment:TokenHashes:0"].Value, settings["Enrolment:TokenHashes:0"].Source));
        Assert.Equal(new Setting("Polls:MaxAge", "Polls__MaxAge", "00:00:25", "secret file"), settings["Polls:MaxAge"]);
        Assert.Equal(new Setting("Secrets:Folder", "Secrets__Folder", _folder, "environment"), settings["Secrets:Folder"]);
        api.Http.DefaultRequestHeaders.Authorization = new("Bearer", "token-in-a-file");
        using var enrolled = await api.Http.PostAsJsonAsync("/vms", new EnrolmentRequest("vm-1", "machine-1"));
        Assert.True(enrolled.IsSuccessStatusCode, $"{enrolled.StatusCode}");
    }

    [Fact]
    public async Task Migration_knows_the_database_from_a_file_alone()
    {
        var connection = await server.CreateEmptyDatabaseAsync();
        Write("Database__ConnectionString", connection);
        await using var program = Executable.Start("Allocator.Api", ["migrate"], new Dictionary<string, string?>
        {
            ["Secrets__Folder"] = _folder,
            ["Database__ConnectionString"] = "Host=nowhere.invalid",
        });

        Assert.True(await program.WaitForExitAsync() == 0, program.Output);
        await using var database = NpgsqlDataSource.Create(connection);
        await using var count = database.CreateCommand("SELECT count(*) FROM pg_tables WHERE tablename = 'vms'");
        Assert.Equal(1L, await count.ExecuteScalarAsync());
    }

    [Theory]
    [InlineData("")]
    [InlineData("migrate")]
    public async Task File_that_cannot_be_read_stops_the_start_and_is_named(string command)
    {
        // Even root cannot read the target of a broken link.
        File.CreateSymbolicLink(Path.Combine(_folder, "Database__Password"), Path.Combine(_folder, "..", Path.GetRandomFileName()));
        await RefusesAsync(_folder, command, Path.Combine(_folder, "Database__Password"), "A secret file cannot be read");
    }

    [Theory]
    [InlineData("")]
    [InlineData("migrate")]
    public async Task File_that_is_empty_stops_the_start_and_is_named(string command)
    {
        Write("Database__Password", "\n");
        var path = Path.Combine(_folder, "Database__Password");
        await RefusesAsync(_folder, command, $"The secret file {path} is empty; it must hold the value of Database:Password.");
    }

    [Theory]
    [InlineData("")]
    [InlineData("migrate")]
    public async Task Folder_that_is_not_there_stops_the_start_and_is_named(string command)
    {
        var folder = Path.Combine(_folder, "elsewhere");
        await RefusesAsync(folder, command, $"Secrets:Folder (environment variable Secrets__Folder) is '{folder}'; it must be an existing folder");
    }

    [Fact]
    public async Task Wrong_value_in_a_file_stops_the_start_and_stays_secret()
    {
        Write("Enrolment__TokenHashes__0", "s3cret");
        var output = await RefusesAsync(_folder, "", "Enrolment__TokenHashes__0", "64 hexadecimal digits");
        Assert.DoesNotContain("s3cret", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task File_with_a_misspelt_name_stops_the_start()
    {
        Write("Database__Passwort", "s3cret");
        var output = await RefusesAsync(_folder, "", "Database__Passwort", "did you mean Database:Password?");
        Assert.DoesNotContain("s3cret", output, StringComparison.Ordinal);
    }

    private void Write(string name, string value) => File.WriteAllText(Path.Combine(_folder, name), value);

    private async Task<string> RefusesAsync(string folder, string command, params string[] words)
    {
        await using var program = Executable.Start("Allocator.Api", command.Length == 0 ? [] : [command], new Dictionary<string, string?>
        {
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
            ["Database__ConnectionString"] = await server.CreateDatabaseAsync(),
            ["Admin__ApiKeys__tests"] = new('0', 64),
            ["Enrolment__TokenHashes__0"] = new('0', 64),
            ["Secrets__Folder"] = folder,
        });
        Assert.Equal(1, await program.WaitForExitAsync());
        Assert.All(words, word => Assert.Contains(word, program.Output, StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", program.Output, StringComparison.Ordinal);
        return program.Output;
    }
}
