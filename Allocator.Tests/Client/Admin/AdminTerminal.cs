using Allocator.Tests.Infrastructure;

namespace Allocator.Tests.Client.Admin;

/// <summary>The result of a command: its exit code, its standard output, and its standard output and error together.</summary>
internal sealed record Ran(int Code, string Printed, string Output);

/// <summary>Runs <c>allocator …</c> commands as processes.</summary>
internal sealed class AdminTerminal : IDisposable
{
    /// <summary>Creates a terminal without an address and without credentials.</summary>
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

    /// <summary>The file from which the program reads credentials by default.</summary>
    public string CredentialsFile => Path.Combine(Home, ".config", "allocator", "admin.json");

    /// <param name="command">The arguments, separated by single spaces.</param>
    public async Task<Ran> RunAsync(string command, string? input = null)
    {
        await using var process = Start(command, input);
        var code = await process.WaitForExitAsync();
        return new Ran(code, process.Printed, process.Output);
    }

    public Executable Start(string command, string? input = null) => Executable.Start("allocator", command.Split(' '), Environment, input);

    public void WriteCredentials(string json, UnixFileMode mode)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(CredentialsFile)!);
        File.WriteAllText(CredentialsFile, json);
        File.SetUnixFileMode(CredentialsFile, mode);
    }

    public void Dispose() => Directory.Delete(Home, recursive: true);
}
