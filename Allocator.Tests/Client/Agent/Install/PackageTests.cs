using System.Text.RegularExpressions;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Client.Agent.Install;

/// <summary>Tests the Debian package, which here contains a small program in place of the native client.</summary>
public sealed partial class PackageTests : IDisposable
{
    private const string Program = "#!/bin/sh\n# asks for GLIBC_2.17 and GLIBC_2.34\nexit 0\n";

    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-deb-").FullName;

    [Fact]
    public async Task Package_contains_each_file_with_its_mode_and_owner()
    {
        var files = await ContentsAsync(await BuildAsync("amd64"));

        Assert.Equal("-rwxr-xr-x", files["usr/bin/allocator"]);
        Assert.Equal("-rw-r--r--", files["usr/lib/systemd/system/allocator.service"]);
        Assert.Equal("-rw-r--r--", files["usr/lib/allocator/systemd/hardened.conf"]);
        Assert.Equal("-rw-r--r--", files["usr/lib/sysusers.d/allocator.conf"]);
        Assert.Equal("-rw-r--r--", files["etc/default/allocator"]);
        // The folder holds the enrolment token.
        Assert.Equal("drwxr-x---", files["etc/allocator/"]);
        var hooks = Directory.EnumerateFiles(Path.Combine(RepositoryRoot.Path, "Allocator.Client", "hooks")).ToArray();
        Assert.NotEmpty(hooks);
        Assert.All(hooks, hook => Assert.Equal(
            File.ReadAllText(hook).StartsWith("#!", StringComparison.Ordinal) ? "-rwxr-xr-x" : "-rw-r--r--",
                files[$"usr/lib/allocator/hooks/{Path.GetFileName(hook)}"]));
        Assert.All(["client.md", "configuration.md", "copyright", "changelog.gz"], document =>
            Assert.Equal("-rw-r--r--", files[$"usr/share/doc/allocator/{document}"]));
        Assert.DoesNotContain(files, file =>
            file.Value is [_, _, _, _, _, 'w', ..] or [_, _, _, _, _, _, _, _, 'w', ..] || file.Value.Contains('s', StringComparison.Ordinal));
    }

    [Fact]
    public async Task Package_depends_on_what_its_program_and_scripts_use()
    {
        var package = await BuildAsync("amd64");
        var fields = (await RunAsync("/usr/bin/dpkg-deb", "--field", package)).Split('\n').Where(line => line is [not ' ', ..])
            .ToDictionary(line => line.Split(": ")[0], line => line.Split(": ", 2)[1]);
        Assert.Equal(("allocator", "amd64"), (fields["Package"], fields["Architecture"]));
        Assert.Equal(Path.GetFileName(package), $"allocator_{fields["Version"]}_amd64.deb");
        var depends = fields["Depends"].Split(", ");
        Assert.Contains("libc6 (>= 2.34)", depends);
        // The ready-made hooks call jq and pkill.
        Assert.Subset(depends.ToHashSet(), new HashSet<string> { "ca-certificates", "jq", "procps" });
        Assert.Contains(depends, dependency => dependency.StartsWith("libssl3", StringComparison.Ordinal));
        Assert.InRange(int.Parse(fields["Installed-Size"], null), 1, 1000);

        await RunAsync("/usr/bin/dpkg-deb", "--control", package, At("control"));
        Assert.Equal("/etc/default/allocator\n", File.ReadAllText(At("control/conffiles")));
        foreach (var script in new[] { "postinst", "prerm", "postrm" })
        {
            Assert.True(File.GetUnixFileMode(At($"control/{script}")).HasFlag(UnixFileMode.OtherExecute), script);
            await RunAsync("/bin/sh", "-n", At($"control/{script}"));
        }
    }

    [Fact]
    public async Task Unit_of_the_package_is_valid_and_names_packaged_files()
    {
        await RunAsync("/usr/bin/dpkg-deb", "--extract", await BuildAsync("amd64"), At("root"));
        var path = At("root/usr/lib/systemd/system/allocator.service");
        var unit = File.ReadAllText(path);
        // systemd-analyze checks that the program exists, but it is not installed here.
        File.WriteAllText(path, unit.Replace("/usr/bin/allocator", At("root/usr/bin/allocator"), StringComparison.Ordinal));
        await using var verify = Executable.Start("/usr/bin/systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", path],
            new Dictionary<string, string?>());
        Assert.Equal((0, ""), (await verify.WaitForExitAsync(), verify.Output));
        var named = Paths().Matches(unit).Select(match => match.Value).ToArray();
        Assert.Equal(["/usr/share/doc/allocator/client.md", "/usr/bin/allocator"], named);
        Assert.All(named, file => Assert.True(File.Exists(At("root" + file)), file));
    }

    [Fact]
    public async Task Package_is_reproducible_byte_for_byte()
    {
        var first = await File.ReadAllBytesAsync(await BuildAsync("amd64"));
        File.SetLastWriteTimeUtc(At("programs/linux-x64/allocator"), new DateTime(2001, 2, 3, 0, 0, 0, DateTimeKind.Utc));
        Directory.Delete(At("packages"), recursive: true);
        var script = $"umask 077; TZ=Asia/Tokyo LC_ALL=C.UTF-8 exec '{Path.Combine(RepositoryRoot.Path, "scripts", "build-deb.sh")}' amd64";
        await RunAsync("/bin/sh", ["-c", script], Environment());
        Assert.Equal(first, await File.ReadAllBytesAsync(Assert.Single(Directory.GetFiles(At("packages")))));
    }

    [Fact]
    public async Task Each_architecture_gets_a_package_unless_its_program_is_missing()
    {
        Assert.EndsWith("_arm64.deb", await BuildAsync("arm64"), StringComparison.Ordinal);
        await using var script = Executable.Start(Path.Combine(RepositoryRoot.Path, "scripts", "build-deb.sh"), ["amd64"], Environment());
        Assert.Equal(1, await script.WaitForExitAsync());
        Assert.Contains("There is no program for amd64. Run: scripts/publish-client.sh", script.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Package_contains_no_secrets_of_its_builder()
    {
        var environment = Environment();
        environment["ALLOCATOR_EnrolmentToken"] = environment["ALLOCATOR_ADMIN_PASSWORD"] = "hush-hush";
        var package = await BuildAsync("amd64", environment);
        await RunAsync("/usr/bin/dpkg-deb", "--raw-extract", package, At("raw"));
        var files = Directory.EnumerateFiles(At("raw"), "*", SearchOption.AllDirectories).ToArray();
        Assert.All(files, file => Assert.DoesNotContain("hush-hush", File.ReadAllText(file), StringComparison.Ordinal));
        // The package contains no configuration, not even an example that an admin might leave unchanged.
        Assert.Empty(Directory.EnumerateFileSystemEntries(At("raw/etc/allocator")));
        Assert.DoesNotContain(files, file => file.EndsWith("token", StringComparison.Ordinal));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [GeneratedRegex(@"(?<==(file://)?)/usr/[^ \n]+", RegexOptions.Multiline)]
    private static partial Regex Paths();

    private string At(string path) => Path.Combine(_folder, path);

    private Dictionary<string, string?> Environment() =>
        new() { ["PROGRAMS"] = At("programs"), ["PACKAGES"] = At("packages"), ["SOURCE_DATE_EPOCH"] = null };

    private async Task<string> BuildAsync(string architecture, Dictionary<string, string?>? environment = null)
    {
        var program = At($"programs/linux-{(architecture == "amd64" ? "x64" : architecture)}/allocator");
        Directory.CreateDirectory(Path.GetDirectoryName(program)!);
        await File.WriteAllTextAsync(program, Program, TestContext.Current.CancellationToken);
        File.SetUnixFileMode(program, (UnixFileMode)Convert.ToInt32("755", 8));
        await RunAsync(Path.Combine(RepositoryRoot.Path, "scripts", "build-deb.sh"), [architecture], environment ?? Environment());
        return Assert.Single(Directory.GetFiles(At("packages")));
    }

    /// <summary>Returns the path and mode of each file and folder, and checks that root owns them.</summary>
    private static async Task<Dictionary<string, string>> ContentsAsync(string package)
    {
        // -rw-r--r-- root/root       373 2026-01-02 03:04 ./etc/default/allocator
        var lines = (await RunAsync("/usr/bin/dpkg-deb", "--contents", package)).Split('\n')
            .Select(line => line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries)).ToArray();
        Assert.All(lines, line => Assert.Equal("root/root", line[1]));
        return lines.ToDictionary(line => line[5]["./".Length..], line => line[0]);
    }

    private static Task<string> RunAsync(string program, params string[] arguments) => RunAsync(program, arguments, []);

    private static async Task<string> RunAsync(string program, string[] arguments, Dictionary<string, string?> environment)
    {
        await using var process = Executable.Start(program, arguments, environment);
        var code = await process.WaitForExitAsync();
        Assert.True(code == 0, process.Output);
        return process.Printed;
    }
}
