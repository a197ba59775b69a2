using System.CommandLine;
using Allocator.Client.Terminal;

namespace Allocator.Client.Agent.Install;

/// <summary><c>allocator install</c> and <c>uninstall</c>: this program as a service of a machine, or of an image.</summary>
internal static class InstallCommand
{
    private static readonly Option<string?> Url = Options.Text("--url", "Where the allocator is", "address");
    private static readonly Option<string?> Pool = Options.Text("--pool", "The pool to join", "pool");
    private static readonly Option<string?> Hostname = Options.Text("--hostname", "The VM's name in the fleet; the machine's own if absent", "name");
    private static readonly Option<string?> TokenFile = Options.Text(
        "--enrolment-token-file", "A file with the enrolment token, to be copied to where only the service can read it; - is standard input", "file");
    private static readonly Option<string[]> Assigned = Hook("--assigned-hook", "The program, with its arguments, that prepares the VM for a person");
    private static readonly Option<string[]> Released = Hook("--released-hook", "The program, with its arguments, that removes what the person left");
    private static readonly Option<string[]> LostContact = Hook("--lost-contact-hook", "The program, with its arguments, that is told when the allocator is silent for long");
    private static readonly Option<bool?> Hardened = new("--hardened") { Description = "Hooks get nothing that takes root, sudo included; false takes this back", HelpName = "true|false" };
    private static readonly Option<bool> Replace = new("--replace") { Description = "client.json says only what is said here; what it said before is kept beside it" };
    private static readonly Option<bool> NoStart = new("--no-start") { Description = "Enable it for the next boot, and do not start it now" };
    private static readonly Option<string?> Root = Options.Text("--root", "A machine's image, mounted here, instead of this machine", "folder");
    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "Change nothing, only say what would be done" };
    private static readonly Option<bool> Purge = new("--purge") { Description = "Also the configuration, the VM's token and state, and the user" };

    public static Command Create() => new CliCommand("install", "Make this program a service of this machine; again with other options changes only those",
            "sudo allocator install --url https://allocator.example.org --pool gpu --enrolment-token-file token",
            "sudo allocator install --assigned-hook /usr/local/lib/desktop/open --released-hook /usr/local/lib/desktop/close",
            "sudo allocator install --url https://allocator.example.org --root /mnt/image --dry-run")
        .With(Url, Pool, Hostname, TokenFile, Assigned, Released, LostContact, Hardened, Replace, NoStart, Root, DryRun)
        .Does(InstallAsync);

    public static Command CreateUninstall() => new CliCommand("uninstall", "Take the service off this machine; what it knows stays, unless purged",
            "sudo allocator uninstall", "sudo allocator uninstall --purge --dry-run")
        .With(Purge, Root, DryRun)
        .Does(UninstallAsync);

    private static Option<string[]> Hook(string name, string description) =>
        new(name) { Description = description, HelpName = "program", AllowMultipleArgumentsPerToken = true, Arity = ArgumentArity.OneOrMore };

    private static async Task<ExitCode> InstallAsync(ParseResult parsed, CancellationToken cancel)
    {
        var target = await TargetAsync(parsed, cancel);
        var token = parsed.GetValue(TokenFile) is { } file ? ReadToken(file) : null;
        var installation = new InstallPlan(target);
        var settings = new SettingsFile(target.Read(InstalledFiles.Configuration), startAnew: parsed.GetValue(Replace));
        settings.Set("Url", parsed.GetValue(Url));
        settings.Set("Pool", parsed.GetValue(Pool));
        settings.Set("Hostname", parsed.GetValue(Hostname));
        settings.Set("EnrolmentTokenFile", token is null ? null : InstalledFiles.EnrolmentToken);
        settings.Set("Hooks", "Assigned", parsed.GetValue(Assigned));
        settings.Set("Hooks", "Released", parsed.GetValue(Released));
        settings.Set("Hooks", "LostContact", parsed.GetValue(LostContact));
        settings.Check();
        return await DoAsync(installation.Install(settings, token, parsed.GetValue(Hardened), starts: !parsed.GetValue(NoStart)), parsed.GetValue(DryRun), cancel);
    }

    private static async Task<ExitCode> UninstallAsync(ParseResult parsed, CancellationToken cancel) =>
        await DoAsync(new InstallPlan(await TargetAsync(parsed, cancel)).Uninstall(parsed.GetValue(Purge)), parsed.GetValue(DryRun), cancel);

    private static async Task<ExitCode> DoAsync(IEnumerable<InstallStep> steps, bool dryRun, CancellationToken cancel)
    {
        foreach (var step in steps)
        {
            if (step.Do is null)
            {
                Console.WriteLine($"is so already: {step.What}");
                continue;
            }
            Console.WriteLine(dryRun ? $"would {step.What}" : step.What);
            if (dryRun)
            {
                continue;
            }
            try
            {
                await step.Do(cancel);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new CommandException(ExitCode.Machine, $"That did not work: {e.Message}");
            }
        }
        return ExitCode.Done;
    }

    private static async Task<InstallTarget> TargetAsync(ParseResult parsed, CancellationToken cancel)
    {
        if (parsed.GetValue(Root) is { } folder)
        {
            return Directory.Exists(folder)
                ? new InstallTarget(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)))
                : throw new CommandException(ExitCode.WrongUsage, $"--root is '{folder}', but there is no such folder.");
        }
        if (await ExternalProgram.RunAsync("systemctl", ["show", "--property=Version"], cancel) is not { Succeeded: true })
        {
            throw new CommandException(ExitCode.Service,
                "systemd does not run here, and nothing else starts the client by itself. For an image: --root FOLDER. Without a service: allocator run");
        }
        return parsed.GetValue(DryRun) || Environment.IsPrivilegedProcess
            ? new InstallTarget("")
            : throw new CommandException(ExitCode.NotPermitted, "Only root can change what this machine runs. Say: sudo allocator …");
    }

    private static string ReadToken(string file)
    {
        try
        {
            var token = (file == "-" ? Console.In.ReadToEnd() : File.ReadAllText(file)).Trim();
            return token.Length > 0 && token.All(c => c is > ' ' and <= '~')
                ? token
                : throw new CommandException(ExitCode.Credentials, $"There is no enrolment token in {file}: it must be one line as `Allocator.Api new-key` prints it.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.Credentials, $"The enrolment token cannot be read: {e.Message}");
        }
    }
}
