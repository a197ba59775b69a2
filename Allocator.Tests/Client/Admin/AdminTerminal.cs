using Allocator.Tests.Infrastructure;

namespace Allocator.Tests.Client.Admin;

/// <summary>What a command printed, what it complained about, and its exit code.</summary>
internal sealed record Ran(int Code, string Printed, string Output);

/// <summary>An admin who types <c>allocator …</c>: the real program, a process for each command.</summary>
internal sealed class AdminTerminal : IDisposable
{
    /// <summary>No allocator, and nobody's credentials.</summary>
    public AdminTerminal() => Environment = new Dictionary<string, string?> { ["HOME"] = Home, ["XDG_CONFIG_HOME"] = null };

    public AdminTerminal(Deployment deployment)
        : this()
    {
        Environment["ALLOCATOR_Url"] = deployment.Replica.Address.ToString();
        Environment["ALLOCATOR_ADMIN_USER"] = "admin";
        Environment["ALLOCATOR_ADMIN_PASSWORD"] = Replica.AdminPassword;
    }

    public string Home { get; } = Directory.CreateTempSubdirectory("allocator-admin-").FullName;

    public Dictionary<string, string?> Environment { get; }

    /// <summary>Where the program looks for credentials by itself.</summary>
    public string CredentialsFile => Path.Combine(Home, ".config", "allocator", "admin.json");

    /// <param name="words">The command line; words are separated by single spaces.</param>
    public async Task<Ran> RunAsync(string words, string? input = null)
    {
        await using var process = Start(words, input);
        var code = await process.WaitForExitAsync();
        return new Ran(code, process.Printed, process.Output);
    }

    public Executable Start(string words, string? input = null) => Executable.Start("allocator", words.Split(' '), Environment, input);

    public void WriteCredentials(string json, UnixFileMode mode)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(CredentialsFile)!);
        File.WriteAllText(CredentialsFile, json);
        File.SetUnixFileMode(CredentialsFile, mode);
    }

    public void Dispose() => Directory.Delete(Home, recursive: true);
}
