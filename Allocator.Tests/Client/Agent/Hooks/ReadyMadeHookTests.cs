using System.Globalization;
using System.Text.Json;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Client.Agent.Hooks;

/// <summary>
/// Runs the hooks in <c>Allocator.Client/hooks</c>. Fake programs, which come first in the <c>PATH</c> and record their
/// arguments and input, replace the programs that the hooks call and make the hooks believe that root runs them.
/// </summary>
public sealed class ReadyMadeHookTests : IDisposable
{
    private const string Ada = "0198f000-0000-7000-8000-00000000000a";
    private const string Code = "4/0Ab_5-x";

    private static readonly string Hooks = Path.Combine(RepositoryRoot.Path, "Allocator.Client", "hooks");

    /// <summary>The user who runs the tests is also the desktop's user, because only root can change the owner of files.</summary>
    private static readonly int Uid = Environment.UserName == "root" ? 4242 : UidOf(Environment.ProcessId);

    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-hooks-").FullName;
    private readonly Dictionary<string, string?> _environment;

    public ReadyMadeHookTests()
    {
        foreach (var name in new[] { "bin", "home/desktop", "skel", "tmp" })
        {
            Directory.CreateDirectory(Path.Combine(_folder, name));
        }
        _environment = new()
        {
            ["PATH"] = $"{_folder}/bin:{Environment.GetEnvironmentVariable("PATH")}",
            ["FOLDER"] = _folder,
            ["HOOK_CONF"] = Path.Combine(_folder, "hooks.conf"),
            ["HOOK_STATE_FOLDER"] = Path.Combine(_folder, "hook-state"),
            ["HOOK_DESKTOP_USER"] = "desktop",
            ["HOOK_START_HOST"] = Path.Combine(_folder, "bin", "start-host"),
            ["HOOK_HOME_TEMPLATE"] = Path.Combine(_folder, "skel"),
            ["HOOK_TEMPORARY_FOLDERS"] = Path.Combine(_folder, "tmp"),
        };
        Fake("id", "[ \"$1\" != -u ] || echo 0", isWrittenDown: false);
        Fake("getent", $"echo desktop:x:{Uid}:{Uid}::{Home}:/bin/bash", isWrittenDown: false);
        // runuser -u desktop -- env NAME=value… program …
        Fake("runuser", "[ \"$1 $2 $3\" = '-u desktop --' ] && shift 3 && exec \"$@\"");
        Fake("systemctl", "");
        Fake("start-host", "cat > $FOLDER/start-host.input; echo Host started >&2; mkdir -p $FOLDER/home/desktop/.config/chrome-remote-desktop; "
            + "echo '{}' > $FOLDER/home/desktop/.config/chrome-remote-desktop/host#1.json");
        Fake("kasmvncpasswd", "cat > $FOLDER/kasmvncpasswd.input");
        Fake("vncpasswd", "printf 'obfuscated '; cat");
        Fake("loginctl", "");
        Fake("pkill", "");
        Fake("pgrep", "exit 1", isWrittenDown: false);
        Fake("sleep", "", isWrittenDown: false);
        Fake("crontab", "[ \"$1\" = -r ]");
        Fake("atq", "printf '7\\tMon Feb  2 09:00:00 2026 a desktop\\n8\\tMon Feb  2 09:00:00 2026 a other\\n'", isWrittenDown: false);
        Fake("atrm", "");
        Fake("ipcrm", "");
    }

    private string Home => Path.Combine(_folder, "home/desktop");

    [Fact]
    public async Task Chrome_remote_desktop_registers_with_the_code_and_the_pin_on_stdin()
    {
        var (code, printed, output) = await RunAsync("chrome-remote-desktop", Assigned());

        Assert.True(code == 0, output);
        Assert.Equal("https://remotedesktop.google.com/access", ConnectUrl(printed));
        Assert.Contains(
            $"start-host\t--code={Code}\t--redirect-url=https://remotedesktop.google.com/_/oauthredirect\t--name=vm-1\t--user-name=desktop", Calls);
        Assert.Equal("418203\n418203\n", ReadFile("start-host.input"));
        Assert.DoesNotContain(Calls, call => call.Contains("418203", StringComparison.Ordinal));
        Assert.DoesNotContain("418203", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("4/0A;id", "the code has other characters than A-Z a-z 0-9 _ / -")]
    [InlineData("4/0A\n--pin=111111", "the code has other characters")]
    [InlineData("$(touch pwned)", "the code has other characters")]
    [InlineData("4/0Aä", "the code has other characters")]
    [InlineData(null, "the person gave no Chrome Remote Desktop command")]
    public async Task Chrome_remote_desktop_accepts_only_a_well_formed_code(string? code, string why)
    {
        var (exitCode, _, output) = await RunAsync("chrome-remote-desktop", Assigned(code: code));

        Assert.Equal(1, exitCode);
        Assert.Contains(why, output, StringComparison.Ordinal);
        Assert.Empty(Calls);
    }

    [Fact]
    public async Task Chrome_remote_desktop_reports_the_output_of_a_failed_start_host()
    {
        Fake("start-host", "echo \"Couldn't start host: OAuth error.\" >&2; exit 1");
        var (code, printed, output) = await RunAsync("chrome-remote-desktop", Assigned());

        Assert.Equal(1, code);
        Assert.Empty(printed);
        Assert.Contains("Couldn't start host: OAuth error.", output, StringComparison.Ordinal);
        Assert.Contains("chrome-remote-desktop: start-host ended with exit code 1", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Chrome_remote_desktop_only_starts_the_host_after_a_reboot()
    {
        Assert.Equal(0, (await RunAsync("chrome-remote-desktop", Assigned())).Code);
        Assert.Equal(0, (await RunAsync("chrome-remote-desktop", Assigned())).Code);
        Assert.Single(Calls, call => call.StartsWith("start-host", StringComparison.Ordinal));
        Assert.Contains("systemctl\tstart\tchrome-remote-desktop@desktop", Calls);

        Assert.Equal(0, (await RunAsync("chrome-remote-desktop", Assigned(id: "0198f000-0000-7000-8000-00000000000b"))).Code);
        Assert.Equal(2, Calls.Count(call => call.StartsWith("start-host", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Chrome_remote_desktop_removes_its_registration_on_release()
    {
        await RunAsync("chrome-remote-desktop", Assigned());
        var config = Path.Combine(Home, ".config/chrome-remote-desktop");
        Assert.True(Directory.Exists(config));

        var (code, printed, output) = await RunAsync("chrome-remote-desktop", Released);

        Assert.True(code == 0, output);
        Assert.Empty(printed);
        Assert.False(Directory.Exists(config));
        Assert.Contains("systemctl\tdisable\t--now\tchrome-remote-desktop@desktop", Calls);

        Fake("systemctl", "echo Access denied >&2; exit 1");
        Assert.Equal(1, (await RunAsync("chrome-remote-desktop", Released)).Code);
    }

    [Fact]
    public async Task Url_desktop_puts_a_new_password_into_each_url_and_nowhere_else()
    {
        Url("kasmvnc", "https://{hostname}.example.org:8444/#{user}:{password}");
        var first = await UrlDesktopAsync();
        var second = await UrlDesktopAsync();

        Assert.NotEqual(first, second);
        Assert.Equal(24, second.Length);
        Assert.Contains($"kasmvncpasswd\t-u\tdesktop\t-w\t{Home}/.kasmpasswd", Calls);
        Assert.Contains("systemctl\tstart\tkasmvnc@desktop.service", Calls);

        async Task<string> UrlDesktopAsync()
        {
            var (code, printed, output) = await RunAsync("url-desktop", Assigned());
            Assert.True(code == 0, output);
            var url = new Uri(ConnectUrl(printed));
            Assert.Equal("vm-1.example.org", url.Host);
            var password = url.Fragment["#desktop:".Length..];
            Assert.Equal($"{password}\n{password}\n", ReadFile("kasmvncpasswd.input"));
            Assert.DoesNotContain(Calls, call => call.Contains(password, StringComparison.Ordinal));
            Assert.DoesNotContain(password, output.Replace(printed, "", StringComparison.Ordinal), StringComparison.Ordinal);
            return password;
        }
    }

    [Theory]
    [InlineData("https://{hostname}.example.org/")]
    [InlineData("https://{user}:{password}@{hostname}.example.org/")]
    [InlineData("{hostname}/#{password}")]
    public async Task Url_desktop_rejects_an_unusable_address(string url)
    {
        Url("kasmvnc", url);
        var (code, printed, output) = await RunAsync("url-desktop", Assigned());
        Assert.Equal(1, code);
        Assert.Empty(printed);
        Assert.Contains($"HOOK_CONNECT_URL is '{url}'; it must be", output, StringComparison.Ordinal);
        Assert.Empty(Calls);
    }

    [Fact]
    public async Task Url_desktop_changes_the_password_and_ends_sessions_on_release()
    {
        Url("kasmvnc", "https://{hostname}/?{password}");
        await RunAsync("url-desktop", Assigned());
        var known = ReadFile("kasmvncpasswd.input");

        var (code, printed, output) = await RunAsync("url-desktop", Released);

        Assert.True(code == 0, output);
        Assert.Empty(printed);
        Assert.NotEqual(known, ReadFile("kasmvncpasswd.input"));
        Assert.Contains("systemctl\trestart\tkasmvnc@desktop.service", Calls);
    }

    [Fact]
    public async Task Url_desktop_writes_the_password_file_of_tigervnc()
    {
        Url("tigervnc", "https://{hostname}:6080/vnc.html#password={password}");
        var (code, printed, output) = await RunAsync("url-desktop", Assigned());

        Assert.True(code == 0, output);
        var password = new Uri(ConnectUrl(printed)).Fragment["#password=".Length..];
        Assert.Equal(8, password.Length);
        Assert.Equal($"obfuscated {password}\n", ReadFile("home/desktop/.vnc/passwd"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(Home, ".vnc/passwd")));
        Assert.DoesNotContain(Calls, call => call.Contains(password, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Clean_ends_processes_and_jobs_and_resets_the_home()
    {
        File.WriteAllText(Path.Combine(_folder, "skel/.profile"), "new");
        File.WriteAllText(Path.Combine(_folder, "outside"), "not theirs");
        File.WriteAllText(Path.Combine(_folder, "tmp/others"), "not theirs");
        var cache = Directory.CreateDirectory(Path.Combine(Home, ".cache/deep"));
        File.WriteAllText(Path.Combine(cache.FullName, "secret"), "");
        File.WriteAllText(Path.Combine(Home, ".profile"), "changed");
        File.CreateSymbolicLink(Path.Combine(Home, "link"), Path.Combine(_folder, "outside"));
        File.CreateSymbolicLink(Path.Combine(Home, "folder"), _folder);
        Directory.CreateDirectory(Path.Combine(_folder, "tmp/theirs"));
        File.WriteAllText(Path.Combine(_folder, "tmp/theirs/left"), "");
        await GiveToDesktopAsync(Home, Path.Combine(_folder, "tmp/theirs"));
        _environment["HOOK_DESKTOP_SERVICE"] = "kasmvnc@desktop.service";
        // The process ignores the first signal.
        Fake("pgrep", "[ ! -e $FOLDER/killed ] && echo 4711");
        Fake("pkill", "[ \"$1\" = -TERM ] || touch $FOLDER/killed");

        var (code, _, output) = await RunAsync("clean", Released);

        Assert.True(code == 0, output);
        Assert.Equal([".profile"], Directory.GetFileSystemEntries(Home).Select(Path.GetFileName));
        Assert.Equal("new", ReadFile("home/desktop/.profile"));
        Assert.Equal("not theirs", ReadFile("outside"));
        Assert.False(Directory.Exists(Path.Combine(_folder, "tmp/theirs")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Home));
        var order = new[]
        {
            "systemctl\tstop\tkasmvnc@desktop.service", "crontab\t-r\t-u\tdesktop", "atrm\t7", "loginctl\tterminate-user\tdesktop",
            $"pkill\t-TERM\t-U\t{Uid}", $"pkill\t-KILL\t-U\t{Uid}", "systemctl\tstart\tkasmvnc@desktop.service",
        };
        Assert.Equal(order, Calls.Distinct().Where(order.Contains));
        Assert.DoesNotContain("atrm\t8", Calls);
        if (Uid == 4242)
        {
            // Without root, the test's user owns the other files too.
            Assert.Equal("not theirs", ReadFile("tmp/others"));
        }
    }

    [Fact]
    public async Task Clean_ends_lingering_services_and_removes_objects_of_system_v()
    {
        await GiveToDesktopAsync(Home);
        var made = await RunProgramAsync("setpriv", $"--reuid={Uid}", "--clear-groups", "ipcmk", "-M", "4096");
        var id = made.Split(' ')[^1].Trim();
        try
        {
            var (code, _, output) = await RunAsync("clean", Released);

            Assert.True(code == 0, output);
            Assert.Contains("loginctl\tdisable-linger\tdesktop", Calls);
            Assert.Contains($"ipcrm\t-m\t{id}", Calls);
        }
        finally
        {
            await RunProgramAsync("ipcrm", "-m", id);
        }
    }

    [Fact]
    public async Task Clean_fails_if_a_process_of_the_user_cannot_be_ended()
    {
        await GiveToDesktopAsync(Home);
        File.WriteAllText(Path.Combine(Home, "kept"), "");
        Fake("pgrep", "echo 4711 stubborn", isWrittenDown: false);
        var (code, _, output) = await RunAsync("clean", Released);
        Assert.Equal(1, code);
        Assert.Contains("processes of 'desktop' cannot be ended: 4711 stubborn", output, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(Home, "kept")));
    }

    [Theory]
    [InlineData("desktop:x:0:0::$HOME:/bin/bash", "the account 'desktop' (HOOK_DESKTOP_USER) has the uid 0")]
    [InlineData("desktop:x:$UID:$UID::/:/bin/bash", "the home of 'desktop' is '/'")]
    [InlineData("desktop:x:$UID:$UID::/root:/bin/bash", "the home of 'desktop' is '/root'")]
    [InlineData("desktop:x:$UID:$UID::$HOME/../../victim:/bin/bash", "leads elsewhere")]
    [InlineData("desktop:x:$UID:$UID::$HOME.link:/bin/bash", "is not a folder, or is a link")]
    [InlineData("desktop:x:$UID:$UID::/usr/lib:/bin/bash", "/usr/lib is not in a place for homes")]
    [InlineData("desktop:x:12345:12345::$HOME:/bin/bash", "does not belong to 'desktop'")]
    public async Task Clean_refuses_anything_but_a_home_of_a_person(string entry, string why)
    {
        File.WriteAllText(Path.Combine(Home, "kept"), "");
        File.CreateSymbolicLink(Home + ".link", Home);
        Directory.CreateDirectory(Path.Combine(_folder, "victim"));
        await GiveToDesktopAsync(Home, Path.Combine(_folder, "victim"));
        Fake("getent", $"echo '{entry.Replace("$HOME", Home, StringComparison.Ordinal).Replace("$UID", $"{Uid}", StringComparison.Ordinal)}'",
            isWrittenDown: false);

        var (code, _, output) = await RunAsync("clean", Released);

        Assert.Equal(1, code);
        Assert.Contains(why, output, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(Home, "kept")));
        Assert.Empty(Calls);
    }

    [Fact]
    public async Task Run_all_gives_each_hook_the_input_and_stops_at_a_failure()
    {
        var script = (string name, string body) =>
        {
            Fake(name, body);
            return Path.Combine(_folder, "bin", name);
        };
        var first = script("first", "cat > $FOLDER/first.input");
        var deaf = script("deaf", "exec <&-; exit 0");
        var second = script("second", "cat > $FOLDER/second.input; exit 7");
        var never = script("never", "");

        var (code, _, output) = await RunAsync("run-all", Released, first, deaf, second, never);

        Assert.Equal(7, code);
        Assert.Contains($"run-all: {second} ended with exit code 7", output, StringComparison.Ordinal);
        Assert.Equal(Released, ReadFile("first.input"));
        Assert.Equal(Released, ReadFile("second.input"));
        Assert.Equal(["first", "deaf", "second"], Calls);

        Assert.Equal(0, (await RunAsync("run-all", Released, "chrome-remote-desktop", first)).Code);
        Assert.Contains("systemctl\tdisable\t--now\tchrome-remote-desktop@desktop", Calls);
    }

    [Fact]
    public async Task Settings_are_read_from_the_file_and_a_wrong_line_is_reported()
    {
        _environment.Remove("HOOK_DESKTOP_USER");
        var conf = _environment["HOOK_CONF"]!;
        File.WriteAllText(conf, "# the lab's\nHOOK_DESKTOP_USER=desktop\n");
        Assert.Equal(0, (await RunAsync("chrome-remote-desktop", Released)).Code);

        File.WriteAllText(conf, "HOOK_DESKTOP_USER=desktop\nHOOK_DESKTOP_USR=$(id)\n");
        Assert.Contains("hooks.conf has lines that are not settings (line:name): 2:HOOK_DESKTOP_USR",
            (await RunAsync("chrome-remote-desktop", Released)).Output, StringComparison.Ordinal);

        File.WriteAllText(conf, "HOOK_DESKTOP_USER=desktop\n");
        File.SetUnixFileMode(conf, File.GetUnixFileMode(conf) | UnixFileMode.OtherWrite);
        Assert.Contains("is writable by others than its owner", (await RunAsync("chrome-remote-desktop", Released)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hooks_without_root_run_via_sudo_or_explain_what_is_missing()
    {
        Fake("id", "[ \"$1\" = -un ] && echo allocator && exit; [ -e $FOLDER/root ] && echo 0 || echo 998", isWrittenDown: false);
        Fake("sudo", "[ \"$2\" = -l ] && exit 0; touch $FOLDER/root; shift 2; exec \"$@\"");
        var (code, _, output) = await RunAsync("chrome-remote-desktop", Released);
        Assert.True(code == 0, output);
        Assert.Contains($"sudo\t-n\t--\t{Hooks}/chrome-remote-desktop", Calls);

        File.Delete(Path.Combine(_folder, "root"));
        Fake("sudo", "exit 1");
        (code, _, output) = await RunAsync("chrome-remote-desktop", Released);
        Assert.Equal(1, code);
        Assert.Contains($"must run as root: run the client as root, or allow 'allocator' to run {Hooks}/chrome-remote-desktop via sudo",
            output, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private const string Released = """{"event":"released","hostname":"vm-1","generation":3,"assignment":null}""";

    private static string Assigned(string id = Ada, string? code = Code) => JsonSerializer.Serialize(new
    {
        @event = "assigned",
        hostname = "vm-1",
        generation = 2,
        assignment = new { id, email = "ada@example.org", command = code is null ? null : new { code, pin = "418203" } },
    });

    private string[] Calls => File.Exists(Path.Combine(_folder, "calls")) ? File.ReadAllLines(Path.Combine(_folder, "calls")) : [];

    private static async Task<string> RunProgramAsync(string program, params string[] arguments)
    {
        await using var process = Executable.Start("/usr/bin/" + program, arguments, new Dictionary<string, string?>());
        Assert.True(await process.WaitForExitAsync() == 0, process.Output);
        return process.Output;
    }

    private string ReadFile(string name) => File.ReadAllText(Path.Combine(_folder, name));

    private static string ConnectUrl(string printed) => JsonDocument.Parse(printed).RootElement.GetProperty("connectUrl").GetString()!;

    private void Url(string vnc, string url)
    {
        _environment["HOOK_VNC"] = vnc;
        _environment["HOOK_CONNECT_URL"] = url;
        _environment["HOOK_DESKTOP_SERVICE"] = "kasmvnc@desktop.service";
    }

    private async Task<(int Code, string Printed, string Output)> RunAsync(string hook, string input, params string[] arguments)
    {
        await using var process = Executable.Start(Path.Combine(Hooks, hook), arguments, _environment, input);
        var code = await process.WaitForExitAsync();
        return (code, process.Printed, process.Output);
    }

    /// <summary>Creates a program of this name that records its name and arguments, a line per call, and then runs the body.</summary>
    private void Fake(string name, string body, bool isWrittenDown = true)
    {
        var path = Path.Combine(_folder, "bin", name);
        var writeDown = isWrittenDown ? "{ printf '%s' \"${0##*/}\"; for a; do printf '\\t%s' \"$a\"; done; echo; } >> $FOLDER/calls\n" : "";
        File.WriteAllText(path, $"#!/bin/sh\n{writeDown}{body}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static async Task GiveToDesktopAsync(params string[] paths)
    {
        await using var chown = Executable.Start("/bin/chown", ["-hR", $"{Uid}", .. paths], new Dictionary<string, string?>());
        Assert.Equal(0, await chown.WaitForExitAsync());
    }

    private static int UidOf(int process) => int.Parse(
        File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1],
            CultureInfo.InvariantCulture);
}
