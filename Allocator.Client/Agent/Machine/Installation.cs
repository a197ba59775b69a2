using Allocator.Client.Terminal;

namespace Allocator.Client.Agent.Machine;

/// <summary>What it takes to have the client as a service, step by step: what is so already is left as it is.</summary>
internal sealed class Installation(Target target)
{
    public const string User = "allocator";
    public const string ConfigurationFolder = "/etc/allocator";
    public const string ConfigurationPath = $"{ConfigurationFolder}/client.json";
    public const string TokenPath = $"{ConfigurationFolder}/enrolment-token";
    public const string EnvironmentPath = "/etc/default/allocator";
    public const string StateFolder = "/var/lib/allocator";

    private const string ProgramPath = "/usr/local/bin/allocator";
    private const string UnitPath = $"/etc/systemd/system/{ServiceUnit.Name}";
    private const string DropInFolder = $"{UnitPath}.d";
    private const string HardenedPath = $"{DropInFolder}/hardened.conf";
    private const string EnabledPath = $"/etc/systemd/system/multi-user.target.wants/{ServiceUnit.Name}";
    private const string UserPath = "/etc/sysusers.d/allocator.conf";
    private const string PackagedProgram = "/usr/bin/allocator";
    private const string PackagedUnit = $"/usr/lib/systemd/system/{ServiceUnit.Name}";

    private const UnixFileMode FolderMode =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute;

    /// <summary>Debian's package has its own program, unit and user: only the configuration is written then.</summary>
    private bool IsPackaged => target.HasFile(PackagedUnit);

    /// <param name="hardened">Null: as it is.</param>
    public IEnumerable<Step> Install(ClientFile settings, string? token, bool? hardened, bool starts)
    {
        var steps = new List<Step>();
        if (!IsPackaged)
        {
            var program = Environment.ProcessPath!;
            if (IsOneFile)
            {
                steps.Add(target.CopyProgram(program, ProgramPath));
                program = ProgramPath;
            }
            steps.Add(target.Write(UserPath, Resource("sysusers.conf"), Target.ForAll));
            steps.Add(target.HasUser(User)
                ? new Step($"the user {User}", null)
                : Target.Run($"make the user {User}", "systemd-sysusers",
                    [.. target.IsThisMachine ? Array.Empty<string>() : [$"--root={target.At("")}"], target.IsThisMachine ? UserPath : Path.GetFileName(UserPath)]));
            steps.Add(target.Write(UnitPath, Resource(ServiceUnit.Name).Replace($"ExecStart={PackagedProgram} ", $"ExecStart={program} ", StringComparison.Ordinal), Target.ForAll));
            if (!target.HasFile(EnvironmentPath))
            {
                steps.Add(target.Write(EnvironmentPath, Resource("default"), Target.ForAll));
            }
        }
        steps.AddRange(hardened switch
        {
            true => [target.Write(HardenedPath, Resource("hardened.conf"), Target.ForAll)],
            false => target.Remove(HardenedPath),
            null => [],
        });
        steps.Add(target.Folder(ConfigurationFolder, FolderMode));
        if (token is not null)
        {
            steps.Add(target.Write(TokenPath, token + "\n", Target.ForTheService));
        }
        steps.Add(target.Write(ConfigurationPath, settings.Text, Target.ForTheService, keepFormerAs: ConfigurationPath + ".old"));
        var isChanged = steps.Any(step => step.Do is not null);
        if (!target.IsThisMachine)
        {
            steps.Add(target.Link(EnabledPath, IsPackaged ? PackagedUnit : UnitPath));
            return steps;
        }
        if (isChanged)
        {
            steps.Add(Target.Run("have systemd read its units again", "systemctl", "daemon-reload"));
        }
        steps.Add(Target.Run($"enable {ServiceUnit.Name}", "systemctl", "enable", "--quiet", ServiceUnit.Name));
        if (starts)
        {
            steps.Add(Target.Run(isChanged ? $"start {ServiceUnit.Name} anew" : $"start {ServiceUnit.Name}", "systemctl", isChanged ? "restart" : "start", ServiceUnit.Name));
        }
        return steps;
    }

    /// <summary>Takes off what <see cref="Install"/> put there.</summary>
    public IEnumerable<Step> Uninstall(bool purge)
    {
        if (IsPackaged)
        {
            throw new CommandException(ExitCode.Refused, $"The client was installed as a package. Say: apt-get {(purge ? "purge" : "remove")} allocator");
        }
        var isInstalled = target.HasFile(UnitPath);
        if (target.IsThisMachine && isInstalled)
        {
            yield return Target.Run($"stop {ServiceUnit.Name} and disable it", "systemctl", "disable", "--now", "--quiet", ServiceUnit.Name);
        }
        foreach (var step in target.Remove(EnabledPath, HardenedPath, UnitPath, ProgramPath))
        {
            yield return step;
        }
        if (Directory.Exists(target.At(DropInFolder)) && !Directory.EnumerateFileSystemEntries(target.At(DropInFolder)).Except([target.At(HardenedPath)]).Any())
        {
            foreach (var step in target.Remove(DropInFolder))
            {
                yield return step;
            }
        }
        if (target.IsThisMachine && isInstalled)
        {
            yield return Target.Run("have systemd read its units again", "systemctl", "daemon-reload");
        }
        if (!purge)
        {
            yield break;
        }
        foreach (var step in target.Remove(StateFolder, "/var/lib/allocator-hooks", ConfigurationFolder, EnvironmentPath, UserPath, "/run/allocator"))
        {
            yield return step;
        }
        if (target.HasUser(User))
        {
            yield return Target.Run($"remove the user {User}", "userdel", target.IsThisMachine ? [User] : ["--prefix", target.At(""), User]);
        }
    }

    /// <summary>Whether this program is one file, as it is published, and not one among many, as it is built.</summary>
    private static bool IsOneFile => !File.Exists(Path.Combine(AppContext.BaseDirectory, "allocator.dll"));

    private static string Resource(string name)
    {
        using var stream = typeof(Installation).Assembly.GetManifestResourceStream($"systemd/{name}")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
