using System.CommandLine;
using Allocator.Client.Agent.Hooks;
using Allocator.Client.Agent.Processes;
using Allocator.Client.Terminal;

namespace Allocator.Client.Agent.Install;

/// <summary>Implements <c>allocator install</c> and <c>uninstall</c>, for a service of this machine or of an image.</summary>
internal static class InstallCommand
{
    private static readonly Option<string?> Url = Options.Text("--url", "The allocator's address", "address");
    private static readonly Option<string?> Pool = Options.Text("--pool", "The pool to join", "pool");
    private static readonly Option<string?> Hostname = Options.Text(
        "--hostname", "The VM's name in the fleet; default: the machine's host name", "name");
    private static readonly Option<string?> TokenFile = Options.Text(
        "--enrolment-token-file",
        "A file with the enrolment token; it is copied to a file that only the service can read. - reads standard input", "file");
    private static readonly (Hook Hook, Option<string[]> Option)[] Hooks = [.. Hook.All.Select(hook => (hook, CommandOption(hook)))];

    private static readonly Option<bool?> Hardened = new("--hardened")
    {
        Description = "Run hooks without any way to become root, not even sudo; false reverts this",
        HelpName = "true|false",
    };

    private static readonly Option<bool> Replace = new("--replace")
    {
        Description = "Write a new client.json from these options only; the old one is kept as client.json.old",
    };

    private static readonly Option<bool> NoStart = new("--no-start") { Description = "Enable the service for the next boot without starting it now" };
    private static readonly Option<string?> Root = Options.Text("--root", "Change the machine image mounted here instead of this machine", "folder");
    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "Change nothing, only show what would be done" };
    private static readonly Option<bool> Purge = new("--purge")
    {
        Description = "Also remove the configuration, the VM's token and state, and the user",
    };

    public static Command Create() => new CliCommand(
            "install", "Make this program a service of this machine; run it again to change only the given options",
            "sudo allocator install --url https://allocator.example.org --pool gpu --enrolment-token-file token",
            "sudo allocator install --assigned-hook /usr/local/lib/desktop/open --released-hook /usr/local/lib/desktop/close",
            "sudo allocator install --url https://allocator.example.org --root /mnt/image --dry-run")
        .With(Url, Pool, Hostname, TokenFile)
        .With([.. Hooks.Select(hook => hook.Option)])
        .With(Hardened, Replace, NoStart, Root, DryRun)
        .Does(InstallAsync);

    public static Command CreateUninstall() => new CliCommand(
            "uninstall", "Remove the service from this machine; keep its configuration and state, unless --purge is given",
            "sudo allocator uninstall", "sudo allocator uninstall --purge --dry-run")
        .With(Purge, Root, DryRun)
        .Does(UninstallAsync);

    private static Option<string[]> CommandOption(Hook hook) => new(hook.Option)
    {
        Description = $"The program, with its arguments, that {hook.Purpose}",
        HelpName = "program",
        AllowMultipleArgumentsPerToken = true,
        Arity = ArgumentArity.OneOrMore,
    };

    private static async Task<ExitCode> InstallAsync(ParseResult parsed, CancellationToken cancel)
    {
        var target = await TargetAsync(parsed, cancel);
        var token = parsed.GetValue(TokenFile) is { } file ? ReadToken(file) : null;
        var plan = new InstallPlan(target);
        var settings = new SettingsFile(target.Read(InstalledFiles.Configuration), replace: parsed.GetValue(Replace));
        settings.Set("Url", parsed.GetValue(Url));
        settings.Set("Pool", parsed.GetValue(Pool));
        settings.Set("Hostname", parsed.GetValue(Hostname));
        settings.Set("EnrolmentTokenFile", token is null ? null : InstalledFiles.EnrolmentToken);
        foreach (var (hook, option) in Hooks)
        {
            settings.Set("Hooks", hook.Setting, parsed.GetValue(option));
        }
        settings.Check();
        var steps = plan.Install(settings, token, parsed.GetValue(Hardened), starts: !parsed.GetValue(NoStart));
        return await RunAsync(steps, parsed.GetValue(DryRun), cancel);
    }

    private static async Task<ExitCode> UninstallAsync(ParseResult parsed, CancellationToken cancel) =>
        await RunAsync(new InstallPlan(await TargetAsync(parsed, cancel)).Uninstall(parsed.GetValue(Purge)), parsed.GetValue(DryRun), cancel);

    private static async Task<ExitCode> RunAsync(IEnumerable<InstallStep> steps, bool dryRun, CancellationToken cancel)
    {
        foreach (var step in steps)
        {
            if (step.Run is null)
            {
                Console.WriteLine($"unchanged: {step.Text}");
                continue;
            }
            Console.WriteLine(dryRun ? $"would {step.Text}" : step.Text);
            if (dryRun)
            {
                continue;
            }
            try
            {
                await step.Run(cancel);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new CommandException(ExitCode.Machine, $"Cannot {step.Text}: {e.Message}");
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
                : throw new CommandException(ExitCode.WrongUsage, $"--root: the folder '{folder}' does not exist.");
        }
        if (await new ProgramRunner(TimeProvider.System).RunSystemAsync(["systemctl", "show", "--property=Version"], cancel) is { Succeeded: false })
        {
            throw new CommandException(ExitCode.Service,
                "systemd does not run here. To change an image, pass --root FOLDER; to run the client without a service, use: allocator run");
        }
        return parsed.GetValue(DryRun) || Environment.IsPrivilegedProcess
            ? new InstallTarget("")
            : throw new CommandException(ExitCode.NotPermitted, "Only root can change the services of this machine. Run: sudo allocator …");
    }

    private static string ReadToken(string file)
    {
        try
        {
            var token = (file == "-" ? Console.In.ReadToEnd() : File.ReadAllText(file)).Trim();
            return token.Length > 0 && token.All(c => c is > ' ' and <= '~')
                ? token
                : throw new CommandException(ExitCode.Credentials,
                    $"There is no enrolment token in {file}: it must contain one line, as `Allocator.Api new-key` prints it.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.Credentials, $"The enrolment token cannot be read: {e.Message}");
        }
    }
}
