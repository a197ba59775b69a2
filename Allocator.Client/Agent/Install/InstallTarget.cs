using System.Security.Cryptography;
using Allocator.Client.Agent.Processes;
using Allocator.Client.Agent.Systemd;
using Allocator.Client.Terminal;
using Allocator.Polling;

namespace Allocator.Client.Agent.Install;

/// <summary>One change of a machine.</summary>
/// <param name="Text">Describes the change and begins with a verb, or names what is unchanged.</param>
/// <param name="Run">Makes the change; null if there is nothing to change.</param>
internal sealed record InstallStep(string Text, Func<CancellationToken, Task>? Run);

/// <summary>The machine to change: this one, or an image in a folder.</summary>
/// <param name="root">The folder of the image; empty for this machine.</param>
internal sealed class InstallTarget(string root)
{
    private const UnixFileMode Executable =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    public const UnixFileMode ForAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    public const UnixFileMode ForTheService = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;

    public bool IsThisMachine => root.Length == 0;

    /// <summary>Returns where a path of the machine is on this one.</summary>
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
            throw new CommandException(ExitCode.NotPermitted, $"{At(path)} cannot be read. Run: sudo allocator …");
        }
    }

    /// <summary>Writes a file with this content and mode; <see cref="ForTheService"/> also sets the service's group as its group.</summary>
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
            : new InstallStep($"create the folder {path}", async cancel =>
            {
                Directory.CreateDirectory(At(path));
                await ChangeOwnerAsync(At(path), cancel);
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

    /// <summary>Copies this program to the machine.</summary>
    public InstallStep CopyProgram(string from, string path) => HasFile(path) && AreSame(from, At(path))
        ? new InstallStep(path, null)
        : new InstallStep($"copy this program to {path}", _ =>
        {
            Directory.CreateDirectory(Path.GetDirectoryName(At(path))!);
            // A running program cannot be overwritten, only replaced.
            var unfinished = At(path) + ".new";
            File.Copy(from, unfinished, overwrite: true);
            File.SetUnixFileMode(unfinished, Executable);
            File.Move(unfinished, At(path), overwrite: true);
            return Task.CompletedTask;
        });

    public static InstallStep Run(string text, string program, params string[] arguments) => new(text, async cancel =>
    {
        var result = await new ProgramRunner(TimeProvider.System).RunSystemAsync([program, .. arguments], cancel);
        if (!result.Succeeded)
        {
            throw new CommandException(ExitCode.Service,
                $"{string.Join(' ', [program, .. arguments])}: {result.Failure}. {result.Output}{result.Errors}".Trim());
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
        using var file = new PrivateFile(At(path));
        file.Write(content);
        // Owner and mode are set before the file gets its name, so that it is never readable by others.
        if (mode == ForTheService)
        {
            await ChangeOwnerAsync(file.UnfinishedPath, cancel);
        }
        File.SetUnixFileMode(file.UnfinishedPath, mode);
        file.Commit(durably: true);
    }

    /// <summary>Sets the owner to root and the service's group; without root, as in a build of an image, it is unchanged.</summary>
    private async Task ChangeOwnerAsync(string file, CancellationToken cancel)
    {
        if (Environment.IsPrivilegedProcess)
        {
            // By number, because the group of an image need not exist on this machine.
            var group = (Read("/etc/group") ?? "").Split('\n').Select(line => line.Split(':'))
                .FirstOrDefault(entry => entry is [ServiceUser.Name, _, _, ..]);
            await Run("", "chown", $"0:{group?[2] ?? ServiceUser.Name}", file).Run!(cancel);
        }
    }

    private static bool AreSame(string one, string other)
    {
        using var a = File.OpenRead(one);
        using var b = File.OpenRead(other);
        return a.Length == b.Length && SHA256.HashData(a).AsSpan().SequenceEqual(SHA256.HashData(b));
    }
}
