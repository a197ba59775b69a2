using Allocator.Client.Agent.Systemd;
using Allocator.Client.Terminal;

namespace Allocator.Client.Agent.Install;

/// <summary>Something to be done to a machine; null where it is so already.</summary>
/// <param name="What">Begins with a verb.</param>
internal sealed record InstallStep(string What, Func<CancellationToken, Task>? Do);

/// <summary>The machine that is changed: this one, or an image of one in a folder.</summary>
/// <param name="root">Empty for this machine.</param>
internal sealed class InstallTarget(string root)
{
    private const UnixFileMode Executable =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    public const UnixFileMode ForAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    public const UnixFileMode ForTheService = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;

    public bool IsThisMachine => root.Length == 0;

    /// <summary>Where a path of the machine is now.</summary>
    public string At(string path) => root + path;

    public bool HasFile(string path) => File.Exists(At(path));

    public bool HasServiceUser => ServiceUser.IsIn(Read("/etc/passwd"));

    public string? Read(string path)
    {
        try
        {
            return File.Exists(At(path)) ? File.ReadAllText(At(path)) : null;
        }
        catch (UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.NotPermitted, $"{At(path)} cannot be read. Say: sudo allocator …");
        }
    }

    /// <summary>A file with this content and mode; <see cref="ForTheService"/> also gives it to the service's group.</summary>
    public InstallStep Write(string path, string content, UnixFileMode mode, string? keepFormerAs = null)
    {
        var former = Read(path);
        if (former == content && File.GetUnixFileMode(At(path)) == mode)
        {
            return new InstallStep($"{path}", null);
        }
        return new InstallStep($"{(former is null ? "write" : "change")} {path}", async cancel =>
        {
            Directory.CreateDirectory(Path.GetDirectoryName(At(path))!);
            if (former is not null && former != content && keepFormerAs is not null)
            {
                await ReplaceAsync(keepFormerAs, former, mode, cancel);
            }
            await ReplaceAsync(path, content, mode, cancel);
        });
    }

    public InstallStep Folder(string path, UnixFileMode mode) =>
        Directory.Exists(At(path)) && File.GetUnixFileMode(At(path)) == mode
            ? new InstallStep(path, null)
            : new InstallStep($"make the folder {path}", async cancel =>
            {
                Directory.CreateDirectory(At(path));
                await GiveAsync(path, cancel);
                File.SetUnixFileMode(At(path), mode);
            });

    public InstallStep Link(string path, string to) => new FileInfo(At(path)).LinkTarget == to
        ? new InstallStep($"{path} -> {to}", null)
        : new InstallStep($"link {path} -> {to}", _ =>
        {
            Directory.CreateDirectory(Path.GetDirectoryName(At(path))!);
            File.Delete(At(path));
            File.CreateSymbolicLink(At(path), to);
            return Task.CompletedTask;
        });

    /// <summary>This very program, as a file of the machine.</summary>
    public InstallStep CopyProgram(string from, string path) => HasFile(path) && AreSame(from, At(path))
        ? new InstallStep(path, null)
        : new InstallStep($"copy this program to {path}", _ =>
        {
            Directory.CreateDirectory(Path.GetDirectoryName(At(path))!);
            // What runs cannot be written over, only replaced.
            var unfinished = At(path) + ".new";
            File.Copy(from, unfinished, overwrite: true);
            File.SetUnixFileMode(unfinished, Executable);
            File.Move(unfinished, At(path), overwrite: true);
            return Task.CompletedTask;
        });

    public static InstallStep Run(string what, string program, params string[] arguments) => new(what, async cancel =>
    {
        var ran = await ExternalProgram.RunAsync(program, arguments, cancel);
        if (ran is not { Succeeded: true })
        {
            throw new CommandException(ExitCode.Service,
                $"{program} {string.Join(' ', arguments)}: {(ran is null ? "there is no such program" : $"exit code {ran.Code}. {ran.Output}")}");
        }
    });

    public IEnumerable<InstallStep> Remove(params IEnumerable<string> paths) =>
        from path in paths
        let isFolder = Directory.Exists(At(path)) && new FileInfo(At(path)).LinkTarget is null
        where isFolder || File.Exists(At(path)) || new FileInfo(At(path)).LinkTarget is not null
        select new InstallStep($"remove {path}", _ =>
        {
            if (isFolder)
            {
                Directory.Delete(At(path), recursive: true);
            }
            else
            {
                File.Delete(At(path));
            }
            return Task.CompletedTask;
        });

    private async Task ReplaceAsync(string path, string content, UnixFileMode mode, CancellationToken cancel)
    {
        var unfinished = path + ".new";
        File.Delete(At(unfinished));
        // Nobody reads it before it is whose it shall be.
        await using (var stream = new FileStream(At(unfinished), new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        await using (var writer = new StreamWriter(stream))
        {
            await writer.WriteAsync(content);
        }
        if (mode == ForTheService)
        {
            await GiveAsync(unfinished, cancel);
        }
        File.SetUnixFileMode(At(unfinished), mode);
        File.Move(At(unfinished), At(path), overwrite: true);
    }

    /// <summary>To root and the service's group. Who makes an image without being root cannot give anything away.</summary>
    private async Task GiveAsync(string path, CancellationToken cancel)
    {
        if (Environment.IsPrivilegedProcess)
        {
            // By number: the group of an image is none of this machine's.
            var group = (Read("/etc/group") ?? "").Split('\n').Select(line => line.Split(':')).FirstOrDefault(entry => entry is [ServiceUser.Name, _, _, ..]);
            await Run("", "chown", $"0:{group?[2] ?? ServiceUser.Name}", At(path)).Do!(cancel);
        }
    }

    private static bool AreSame(string one, string other)
    {
        using var a = File.OpenRead(one);
        using var b = File.OpenRead(other);
        return a.Length == b.Length && System.Security.Cryptography.SHA256.HashData(a).AsSpan().SequenceEqual(System.Security.Cryptography.SHA256.HashData(b));
    }
}
