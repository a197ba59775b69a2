using System.Text.Json.Nodes;
using Allocator.Tests.Client.Admin;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Client.Agent.Install;

/// <summary>Runs <c>allocator install</c> on a folder that stands for the image of a machine.</summary>
public sealed class InstallTests : IDisposable
{
    private const string Unit = "etc/systemd/system/allocator.service";
    private const string Enabled = "etc/systemd/system/multi-user.target.wants/allocator.service";
    private const string Hardened = Unit + ".d/hardened.conf";
    private const string Settings = "etc/allocator/client.json";
    private const string Token = "etc/allocator/enrolment-token";

    private readonly string _root = Directory.CreateTempSubdirectory("allocator-root-").FullName;
    private readonly string _elsewhere = Directory.CreateTempSubdirectory("allocator-files-").FullName;

    [Fact]
    public async Task Image_gets_a_valid_unit_its_user_and_a_private_configuration()
    {
        var token = Path.Combine(_elsewhere, "token");
        File.WriteAllText(token, "enrolment-secret\n");
        var ran = await InstallAsync("--url https://allocator.example.org --pool gpu --assigned-hook /opt/hooks/open --size large "
            + "--enrolment-token-file " + token);
        Assert.Equal((0, ran.Printed), (ran.Code, ran.Output));
        Assert.DoesNotContain("secret", ran.Output, StringComparison.Ordinal);

        await UnderstoodBySystemdAsync();
        Assert.Equal("/" + Unit, new FileInfo(At(Enabled)).LinkTarget);
        Assert.Contains("allocator:x:", Read("etc/passwd"), StringComparison.Ordinal);
        Assert.Contains(":/var/lib/allocator:/usr/sbin/nologin", Read("etc/passwd"), StringComparison.Ordinal);
        var settings = JsonNode.Parse(Read(Settings))!;
        Assert.Equal(
            ("https://allocator.example.org", "gpu", "/etc/allocator/enrolment-token", """["/opt/hooks/open","--size","large"]"""),
            ((string?)settings["Url"], (string?)settings["Pool"], (string?)settings["EnrolmentTokenFile"],
                settings["Hooks"]!["Assigned"]!.ToJsonString()));
        Assert.Equal("enrolment-secret\n", Read(Token));
        if (Environment.IsPrivilegedProcess)
        {
            var group = Read("etc/group").Split('\n').Single(line => line.StartsWith("allocator:", StringComparison.Ordinal)).Split(':')[2];
            Assert.Equal(
                [$"750 0 {group}", $"640 0 {group}", $"640 0 {group}", "644 0 0"],
                await Task.WhenAll(new[] { "etc/allocator", Settings, Token, Unit }.Select(OwnerAsync)));
        }
    }

    [Fact]
    public async Task Second_install_changes_only_the_given_options()
    {
        Assert.Equal(0, (await InstallAsync("--url https://allocator.example.org")).Code);
        const string edited =
            """
            {
              // A comment in the settings file, which must be kept.
              "url": "https://allocator.example.org",
              "Hooks": { "Timeout": "00:10:00", "Released": ["/opt/hooks/close"] }
            }
            """;
        File.WriteAllText(At(Settings), edited);

        var again = await InstallAsync("--url https://allocator.example.org");
        Assert.Equal(0, again.Code);
        Assert.All(again.Printed.Split('\n'), line => Assert.StartsWith("unchanged: ", line, StringComparison.Ordinal));
        Assert.Equal(edited, Read(Settings));

        Assert.Equal(0, (await InstallAsync("--url https://new.example.org --assigned-hook /opt/hooks/open")).Code);
        var settings = JsonNode.Parse(Read(Settings))!;
        Assert.Equal(["Hooks", "Url"], settings.AsObject().Select(setting => setting.Key).Order());
        Assert.Equal("""{"Timeout":"00:10:00","Released":["/opt/hooks/close"],"Assigned":["/opt/hooks/open"]}""", settings["Hooks"]!.ToJsonString());
        Assert.Equal(edited, Read(Settings + ".old"));

        Assert.Equal(0, (await InstallAsync("--url https://new.example.org --replace")).Code);
        Assert.Equal("""{"Url":"https://new.example.org"}""", JsonNode.Parse(Read(Settings))!.ToJsonString());
    }

    [Fact]
    public async Task Hardened_profile_is_valid_and_can_be_removed()
    {
        Assert.Equal(0, (await InstallAsync("--url https://allocator.example.org --hardened")).Code);
        await UnderstoodBySystemdAsync();
        Assert.Contains("NoNewPrivileges=yes", Read(Hardened), StringComparison.Ordinal);
        Assert.Equal(0, (await InstallAsync("--pool gpu")).Code);
        Assert.True(File.Exists(At(Hardened)));
        Assert.Equal(0, (await InstallAsync("--hardened false")).Code);
        Assert.False(File.Exists(At(Hardened)));
    }

    [Fact]
    public async Task Dry_run_shows_the_steps_and_changes_nothing()
    {
        var ran = await InstallAsync("--url https://allocator.example.org --dry-run");
        Assert.Equal(0, ran.Code);
        Assert.Contains("would write /etc/systemd/system/allocator.service", ran.Printed, StringComparison.Ordinal);
        Assert.Contains("would create the user allocator", ran.Printed, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_root));
    }

    [Fact]
    public async Task Uninstall_keeps_the_state_and_purge_removes_it()
    {
        Assert.Equal(0, (await InstallAsync("--url https://allocator.example.org --hardened")).Code);
        Directory.CreateDirectory(At("var/lib/allocator"));
        File.WriteAllText(At("var/lib/allocator/token"), "vm-1.secret");

        Assert.Equal(0, (await RunAsync("uninstall")).Code);
        Assert.False(File.Exists(At(Unit)) || File.Exists(At(Hardened)) || new FileInfo(At(Enabled)).LinkTarget is not null);
        Assert.True(File.Exists(At(Settings)) && File.Exists(At("var/lib/allocator/token")));

        Assert.Equal(0, (await RunAsync("uninstall --purge")).Code);
        Assert.False(Directory.Exists(At("etc/allocator")) || Directory.Exists(At("var/lib/allocator")));
        Assert.DoesNotContain("allocator", Read("etc/passwd"), StringComparison.Ordinal);
        Assert.DoesNotContain("allocator",
            string.Join('\n', Directory.EnumerateFiles(_root, "*", SearchOption.AllDirectories).Select(Path.GetFileName)), StringComparison.Ordinal);
        Assert.Equal((0, ""), await RunAsync("uninstall --purge") is var twice ? (twice.Code, twice.Output) : default);
    }

    [Theory]
    [InlineData("install", 2, "Url (environment variable ALLOCATOR_Url) is ''; it must be the allocator's address")]
    [InlineData("install --url allocator.example.org", 2, "The client would not start with these settings: Url")]
    [InlineData("install --url https://allocator.example.org --enrolment-token-file /no/such/file", 4, "/no/such/file")]
    public async Task Invalid_options_are_refused_before_anything_is_written(string words, int code, string expected)
    {
        var ran = await RunAsync(words);
        Assert.Equal(code, ran.Code);
        Assert.Contains(expected, ran.Output, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_root));
    }

    [Fact]
    public async Task Without_systemd_install_names_the_alternatives()
    {
        await using var process = Executable.Start("allocator", ["install", "--url", "https://allocator.example.org"],
            new Dictionary<string, string?> { ["PATH"] = _elsewhere });
        Assert.Equal(8, await process.WaitForExitAsync());
        Assert.Contains("--root FOLDER", process.Output, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        Directory.Delete(_root, recursive: true);
        Directory.Delete(_elsewhere, recursive: true);
    }

    private Task<Ran> InstallAsync(string words) => RunAsync($"install {words}");

    private async Task<Ran> RunAsync(string words)
    {
        var split = words.Split(' ');
        await using var process = Executable.Start("allocator", [split[0], "--root", _root, .. split[1..]], new Dictionary<string, string?>());
        var code = await process.WaitForExitAsync();
        return new Ran(code, process.Printed, process.Output);
    }

    /// <summary>Verifies the unit with its drop-ins, and that systemd-analyze reports nothing.</summary>
    private async Task UnderstoodBySystemdAsync()
    {
        await using var verify = Executable.Start("/usr/bin/systemd-analyze", ["verify", "--recursive-errors=no", At(Unit)],
            new Dictionary<string, string?> { ["SYSTEMD_UNIT_PATH"] = At("etc/systemd/system") + ":" });
        Assert.Equal((0, ""), (await verify.WaitForExitAsync(), verify.Output));
    }

    private async Task<string> OwnerAsync(string path)
    {
        await using var stat = Executable.Start("/usr/bin/stat", ["-c", "%a %u %g", At(path)], new Dictionary<string, string?>());
        await stat.WaitForExitAsync();
        return stat.Printed;
    }

    private string At(string path) => Path.Combine(_root, path);

    private string Read(string path) => File.ReadAllText(At(path));
}
