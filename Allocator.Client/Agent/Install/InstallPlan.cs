using Allocator.Client.Agent.Systemd;
using Allocator.Client.Terminal;

namespace Allocator.Client.Agent.Install;

/// <summary>The steps that install or remove the client as a service. A step that has nothing to change is empty.</summary>
internal sealed class InstallPlan(InstallTarget target)
{

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

    /// <summary>Gets whether the Debian package is installed. It has the program, unit and user; only the configuration is written then.</summary>
    private bool IsPackaged => target.HasFile(PackagedUnit);

    /// <param name="hardened">Null leaves the profile unchanged.</param>
    public IEnumerable<InstallStep> Install(SettingsFile settings, string? token, bool? hardened, bool starts)
    {
        var steps = new List<InstallStep>();
        if (!IsPackaged)
        {
            var program = Environment.ProcessPath!;
            if (IsOneFile)
            {
                steps.Add(target.CopyProgram(program, ProgramPath));
                program = ProgramPath;
            }
            steps.Add(target.Write(UserPath, Resource("sysusers.conf"), InstallTarget.ForAll));
            steps.Add(target.HasServiceUser
                ? new InstallStep($"user {ServiceUser.Name}", null)
                : InstallTarget.Run($"create the user {ServiceUser.Name}", "systemd-sysusers",
                    [.. target.IsThisMachine ? Array.Empty<string>() : [$"--root={target.At("")}"],
                        target.IsThisMachine ? UserPath : Path.GetFileName(UserPath)]));
            var unit = Resource(ServiceUnit.Name).Replace($"ExecStart={PackagedProgram} ", $"ExecStart={program} ", StringComparison.Ordinal);
            steps.Add(target.Write(UnitPath, unit, InstallTarget.ForAll));
            if (!target.HasFile(InstalledFiles.Environment))
            {
                steps.Add(target.Write(InstalledFiles.Environment, Resource("default"), InstallTarget.ForAll));
            }
        }
        steps.AddRange(hardened switch
        {
            true => [target.Write(HardenedPath, Resource("hardened.conf"), InstallTarget.ForAll)],
            false => target.Remove(HardenedPath),
            null => [],
        });
        steps.Add(target.Folder(InstalledFiles.ConfigurationFolder, FolderMode));
        if (token is not null)
        {
            steps.Add(target.Write(InstalledFiles.EnrolmentToken, token + "\n", InstallTarget.ForTheService));
        }
        steps.Add(target.Write(InstalledFiles.Configuration, settings.Text, InstallTarget.ForTheService,
            keepFormerAs: InstalledFiles.Configuration + ".old"));
        var isChanged = steps.Any(step => step.Run is not null);
        if (!target.IsThisMachine)
        {
            steps.Add(target.Link(EnabledPath, IsPackaged ? PackagedUnit : UnitPath));
            return steps;
        }
        if (isChanged)
        {
            steps.Add(InstallTarget.Run("reload systemd units", "systemctl", "daemon-reload"));
        }
        steps.Add(InstallTarget.Run($"enable {ServiceUnit.Name}", "systemctl", "enable", "--quiet", ServiceUnit.Name));
        if (starts)
        {
            var verb = isChanged ? "restart" : "start";
            steps.Add(InstallTarget.Run($"{verb} {ServiceUnit.Name}", "systemctl", verb, ServiceUnit.Name));
        }
        return steps;
    }

    /// <summary>Removes what <see cref="Install"/> has created.</summary>
    public IEnumerable<InstallStep> Uninstall(bool purge)
    {
        if (IsPackaged)
        {
            throw new CommandException(ExitCode.Refused,
                $"The client was installed as a package. Run: apt-get {(purge ? "purge" : "remove")} allocator");
        }
        var isInstalled = target.HasFile(UnitPath);
        if (target.IsThisMachine && isInstalled)
        {
            yield return InstallTarget.Run($"stop {ServiceUnit.Name} and disable it", "systemctl", "disable", "--now", "--quiet", ServiceUnit.Name);
        }
        foreach (var step in target.Remove(EnabledPath, HardenedPath, UnitPath, ProgramPath))
        {
            yield return step;
        }
        if (Directory.Exists(target.At(DropInFolder))
            && !Directory.EnumerateFileSystemEntries(target.At(DropInFolder)).Except([target.At(HardenedPath)]).Any())
        {
            foreach (var step in target.Remove(DropInFolder))
            {
                yield return step;
            }
        }
        if (target.IsThisMachine && isInstalled)
        {
            yield return InstallTarget.Run("reload systemd units", "systemctl", "daemon-reload");
        }
        if (!purge)
        {
            yield break;
        }
        foreach (var step in target.Remove(InstalledFiles.StateFolder, "/var/lib/allocator-hooks",
            InstalledFiles.ConfigurationFolder, InstalledFiles.Environment, UserPath, "/run/allocator"))
        {
            yield return step;
        }
        if (target.HasServiceUser)
        {
            yield return InstallTarget.Run($"remove the user {ServiceUser.Name}", "userdel",
                target.IsThisMachine ? [ServiceUser.Name] : ["--prefix", target.At(""), ServiceUser.Name]);
        }
    }

    /// <summary>Gets whether this program is a single published file, rather than one of the many of a build.</summary>
    private static bool IsOneFile => !File.Exists(Path.Combine(AppContext.BaseDirectory, "allocator.dll"));

    private static string Resource(string name)
    {
        using var stream = typeof(InstallPlan).Assembly.GetManifestResourceStream($"systemd/{name}")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
