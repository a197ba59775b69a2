using Allocator.Client.Agent;
using System.Diagnostics;
using System.Net;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.Configuration;
using Xunit;
using static Allocator.Tests.Client.ClientHarness;

namespace Allocator.Tests.Client.Agent.Hooks;

public sealed class HookTests
{
    private static readonly Guid Ada = Guid.Parse("0198f000-0000-7000-8000-00000000000a");

    [Fact]
    public async Task Hook_gets_arguments_environment_and_input_without_a_shell()
    {
        await using var harness = new ClientHarness();
        var hook = harness.Script("hook", "cat > $0.input; echo \"$1\" > $0.arguments; env > $0.environment");
        await harness.RestartAsync(options => options with { AssignedHook = [hook, "$(touch pwned); `id` 'x'"] });
        const string Email = "$(touch${IFS}pwned)@example.org";
        harness.OnPoll = Steady(2, () => Assigned(2, Ada, email: Email, code: "4/0A;id"));
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");

        Assert.Equal("$(touch pwned); `id` 'x'", Assert.Single(harness.ReadLines("hook.arguments")));
        var environment = harness.ReadLines("hook.environment");
        Assert.Contains("ALLOCATOR_EVENT=assigned", environment);
        Assert.Contains("ALLOCATOR_HOSTNAME=vm-1", environment);
        Assert.Contains("ALLOCATOR_GENERATION=2", environment);
        Assert.Contains($"ALLOCATOR_ASSIGNMENT_ID={Ada}", environment);
        Assert.Contains($"ALLOCATOR_EMAIL={Email}", environment);
        Assert.Contains($"ALLOCATOR_PERSON=touch-ifs-pwned-{Ada.ToString()[^8..]}", environment);
        Assert.DoesNotContain(environment, line =>
            line.Contains("4/0A", StringComparison.Ordinal) || line.Contains("123456", StringComparison.Ordinal));
        Assert.Contains("\"code\":\"4/0A;id\"", Assert.Single(harness.ReadLines("hook.input")), StringComparison.Ordinal);
        Assert.False(File.Exists("pwned"));
    }

    [Theory]
    [InlineData("echo begun; echo no display >&2; exit 3", "ended with exit code 3. The end of its output: begun\nno display")]
    [InlineData("exit 1", "ended with exit code 1.")]
    [InlineData("printf 'a\\033[31m\\000b'; exit 1", "The end of its output: a[31mb")]
    public async Task Failing_hook_is_reported_with_the_end_of_its_output(string body, string detail)
    {
        await using var harness = new ClientHarness();
        harness.Script("assigned", body);
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");

        var outcome = harness.Outcomes.Single();
        Assert.Equal((2, Outcome.Failed), (outcome.Generation, outcome.Outcome));
        Assert.Contains(detail, outcome.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Endless_output_is_capped_and_its_end_is_kept()
    {
        await using var harness = new ClientHarness();
        harness.Script("assigned", "head -c 300000000 /dev/zero | tr '\\0' x; echo the end; exit 1");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        Assert.InRange(harness.Outcomes.Single().Detail!.Length, 100, 4096);
        Assert.EndsWith("the end", harness.Outcomes.Single().Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/no/such/program", "there is no such program.")]
    [InlineData("/tmp", "it is a folder.")]
    [InlineData("not-executable", "may not execute it (chmod +x)")]
    [InlineData("without-interpreter", "the interpreter that its first line names does not exist.")]
    [InlineData("without-first-line", "it is neither a program for this machine nor a script whose first line names its interpreter")]
    public async Task Hook_that_cannot_be_started_is_reported_with_the_reason(string name, string why)
    {
        await using var harness = new ClientHarness();
        var path = harness.Script(name.Replace('/', '-'), "exit 0");
        await File.WriteAllTextAsync(path, name switch
        {
            "without-interpreter" => "#!/no/such/shell\nexit 0\n",
            "without-first-line" => "exit 0\n",
            _ => "#!/bin/sh\nexit 0\n",
        });
        if (name == "not-executable")
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        var program = name.StartsWith('/') ? name : path;
        await harness.RestartAsync(options => options with { AssignedHook = [program] });
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");

        var outcome = harness.Outcomes.Single();
        Assert.Equal(Outcome.Failed, outcome.Outcome);
        Assert.Contains($"The assigned hook '{program}' cannot be started: ", outcome.Detail, StringComparison.Ordinal);
        Assert.Contains(why, outcome.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("echo '{\"connectUrl\":\"https://vm-1.example.org/#key\"}'", "https://vm-1.example.org/#key")]
    [InlineData("echo starting {1}; printf '{\\n  \"connectUrl\": \"http://vm-1/\"\\n}\\n'", "http://vm-1/")]
    [InlineData("echo '{\"desktop\":\"ready\"}'", null)]
    [InlineData("echo ready", null)]
    public async Task Url_that_the_hook_prints_is_reported(string body, string? url)
    {
        await using var harness = new ClientHarness();
        harness.Script("assigned", body);
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        Assert.Equal(new OutcomeReport(2, Outcome.Connected, url), harness.Outcomes.Single());
    }

    [Theory]
    [InlineData("{\"connectUrl\":\"javascript:alert(1)\"}", "no absolute http or https URL")]
    [InlineData("{\"connectUrl\":\"/desktop\"}", "no absolute http or https URL")]
    [InlineData("{\"connectUrl\":\"https://ada:secret@vm-1.example.org/\"}", "without a password before the host")]
    [InlineData("{\"connectUrl\":\"https://vm-1.example.org/%02100d\"}", "at most 2,048 characters")]
    [InlineData("{\"connectUrl\":7}", "is not the JSON")]
    [InlineData("{\"connectUrl\":\"https://vm-1", "is not the JSON")]
    public async Task Unusable_url_of_a_hook_is_a_failure(string printed, string why)
    {
        await using var harness = new ClientHarness();
        harness.Script("assigned", $"printf '{printed}\\n' 0");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");

        Assert.Equal(Outcome.Failed, harness.Outcomes.Single().Outcome);
        Assert.StartsWith("The assigned hook printed a ", harness.Outcomes.Single().Detail, StringComparison.Ordinal);
        Assert.Contains(why, harness.Outcomes.Single().Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("exec <&-")]
    [InlineData("exit 0")]
    [InlineData("exec <&-; sleep 0.2")]
    public async Task Hook_need_not_read_its_input(string body)
    {
        await using var harness = new ClientHarness();
        harness.Script("assigned", body);
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        Assert.Equal(Outcome.Connected, harness.Outcomes.Single().Outcome);
    }

    [Fact]
    public async Task Code_and_pin_in_the_output_of_a_failed_hook_are_masked()
    {
        await using var harness = new ClientHarness();
        harness.Script("assigned", "cat; exit 1");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada, code: "4/0Abcdef"));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");

        var detail = harness.Outcomes.Single().Detail;
        Assert.Contains("\"code\":\"***\",\"pin\":\"***\"", detail, StringComparison.Ordinal);
        Assert.DoesNotContain("4/0Abcdef", detail, StringComparison.Ordinal);
        Assert.DoesNotContain("123456", detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hook_does_not_get_the_variables_of_the_client()
    {
        await using var harness = new ClientHarness();
        var hook = harness.Script("hook", "env > $0.unfinished; mv $0.unfinished $0.environment");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        var secrets = new Dictionary<string, string?>
        {
            ["ALLOCATOR_EnrolmentToken"] = "secret-1", ["allocator_enrolmenttoken"] = "secret-2", ["ALLOCATOR_ADMIN_PASSWORD"] = "secret-3",
            ["ALLOCATOR_API_KEY"] = "secret-4", ["ALLOCATOR_ADMIN_FILE"] = "/secret-5", ["CREDENTIALS_DIRECTORY"] = "/secret-6",
            ["WATCHDOG_PID"] = "secret-7", ["LISTEN_FDNAMES"] = "secret-8",
        };
        await using var client = Executable.Start("allocator", ["run"], new Dictionary<string, string?>(secrets)
        {
            ["ALLOCATOR_Url"] = harness.Server.Url, ["ALLOCATOR_Hostname"] = "vm-1", ["ALLOCATOR_MachineId"] = "machine-1",
            ["ALLOCATOR_StateFolder"] = harness.StateFolder, ["ALLOCATOR_FirstPollWithin"] = "00:00:00", ["ALLOCATOR_Hooks__Assigned__0"] = hook,
            ["OPERATORS_OWN"] = "is handed on",
        });
        await Wait.UntilAsync(() => harness.ReadLines("hook.environment").Length > 0, "the hook has run");

        var environment = harness.ReadLines("hook.environment");
        Assert.Contains("OPERATORS_OWN=is handed on", environment);
        Assert.DoesNotContain(environment, line => line.Contains("secret-", StringComparison.Ordinal));
        Assert.Equal(
            ["ALLOCATOR_ASSIGNMENT_ID", "ALLOCATOR_EMAIL", "ALLOCATOR_EVENT", "ALLOCATOR_GENERATION", "ALLOCATOR_HOOK_RUN", "ALLOCATOR_HOSTNAME",
                "ALLOCATOR_PERSON"],
            environment.Select(line => line.Split('=')[0]).Where(name => name.StartsWith("ALLOCATOR_", StringComparison.OrdinalIgnoreCase)).Order());
    }

    [Fact]
    public async Task Hook_that_exceeds_its_timeout_is_ended_with_its_processes()
    {
        await using var harness = new ClientHarness(options => options with { HookTimeout = TimeSpan.FromMinutes(5) });
        harness.Script("assigned", "sleep 1000 & echo $! > $0.child; echo still here; wait");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => harness.ReadLines("assigned.child").Length == 1, "the hook runs");
        await harness.PassPollsAsync(3);
        Assert.Empty(harness.Outcomes);

        harness.HookTime.Advance(TimeSpan.FromMinutes(5));
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");

        Assert.Contains("did not end within 00:05:00 and was stopped. The end of its output: still here",
            harness.Outcomes.Single().Detail, StringComparison.Ordinal);
        Assert.False(IsAlive(harness.ReadLines("assigned.child").Single()));
    }

    [Fact]
    public async Task Hook_and_its_detached_processes_end_with_the_assignment()
    {
        await using var harness = new ClientHarness();
        harness.Script("assigned", """
            setsid sleep 1000 & echo $! >> $0.child
            sh -c 'setsid sh -c "echo \$\$ >> $0.child; exec sleep 1000" >/dev/null 2>&1 </dev/null &' $0
            sh -c 'env -i sleep 1000 & echo $! >> $0.child; wait' $0 &
            wait
            """);
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => harness.ReadLines("assigned.child").Length == 3, "the hook runs");

        harness.OnPoll = Steady(3, () => Cleaning(3));
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");

        Assert.Equal(new OutcomeReport(3, Outcome.Clean), harness.Outcomes.Single());
        Assert.All(harness.ReadLines("assigned.child"), child => Assert.False(IsAlive(child)));
    }

    [Fact]
    public async Task With_cgroups_even_a_detached_process_with_a_cleared_environment_is_killed()
    {
        Assert.SkipUnless(MayMakeControlGroups(), "requires a control group (version 2) in which the test may create others");
        await using var harness = new ClientHarness();
        harness.Script("assigned", """
            sh -c 'env -i setsid sh -c "echo \$\$ >> $0.child; exec sleep 1000" >/dev/null 2>&1 </dev/null &' $0
            sleep 1000
            """);
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => harness.ReadLines("assigned.child").Length == 1, "the hook runs");

        harness.OnPoll = Steady(3, () => Cleaning(3));
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");

        Assert.All(harness.ReadLines("assigned.child"), child => Assert.False(IsAlive(child)));
    }

    [Fact]
    public async Task Hook_that_ignores_sigterm_is_killed()
    {
        await using var harness = new ClientHarness(options => options with { HookTimeout = TimeSpan.FromMinutes(5) });
        harness.Script("assigned", """
            env -i sh -c 'trap "" TERM; echo $$ >> $0.child; while :; do sleep 0.1; done' $0 &
            trap 'echo asked >> $0.asked; exit 0' TERM
            echo $$ >> $0.child
            while :; do sleep 0.1; done
            """);
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => harness.ReadLines("assigned.child").Length == 2, "the hook runs");

        harness.HookTime.Advance(TimeSpan.FromMinutes(5));
        await harness.PassUntilAsync(() => harness.ReadLines("assigned.asked").Length == 1, "the hook received SIGTERM");
        Assert.Single(harness.ReadLines("assigned.child"), IsAlive);
        Assert.Empty(harness.Outcomes);

        await harness.PassUntilAsync(() =>
        {
            harness.HookTime.Advance(TimeSpan.FromMilliseconds(100));
            return !harness.Outcomes.IsEmpty;
        }, "the outcome is reported");
        Assert.StartsWith("The assigned hook did not end within 00:05:00 and was stopped.", harness.Outcomes.Single().Detail,
            StringComparison.Ordinal);
        Assert.All(harness.ReadLines("assigned.child"), child => Assert.False(IsAlive(child)));
    }

    [Fact]
    public async Task Processes_of_a_failed_hook_are_ended()
    {
        await using var harness = new ClientHarness();
        harness.Script("assigned", "setsid sleep 1000 >/dev/null 2>&1 & echo $! > $0.child; exit 1");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        Assert.Equal("The assigned hook ended with exit code 1.", harness.Outcomes.Single().Detail);
        Assert.False(IsAlive(harness.ReadLines("assigned.child").Single()));
    }

    [Fact]
    public async Task Next_client_kills_an_orphaned_hook_but_keeps_processes_of_successful_ones()
    {
        await using var harness = new ClientHarness();
        var assigned = harness.Script("assigned", "setsid sleep 1000 >/dev/null 2>&1 & echo $! > $0.desktop");
        var released = harness.Script("released", "setsid sleep 1000 & echo $! > $0.child; echo $$ >> $0.child; wait");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada), maxAge: 1);
        var settings = new Dictionary<string, string?>
        {
            ["ALLOCATOR_Url"] = harness.Server.Url, ["ALLOCATOR_Hostname"] = "vm-1", ["ALLOCATOR_MachineId"] = "machine-1",
                ["ALLOCATOR_EnrolmentToken"] = "token",
            ["ALLOCATOR_StateFolder"] = harness.StateFolder, ["ALLOCATOR_FirstPollWithin"] = "00:00:00", ["ALLOCATOR_Hooks__Assigned__0"] = assigned,
            ["ALLOCATOR_Hooks__Released__0"] = released,
        };
        string[] Children() => harness.ReadLines("released.child");
        await using (var client = Executable.Start("allocator", ["run"], settings))
        {
            await Wait.UntilAsync(() => !harness.Outcomes.IsEmpty, "the person is connected");
            harness.OnPoll = Steady(3, () => Cleaning(3));
            await Wait.UntilAsync(() => Children().Length == 2, "the other hook is running");
            await client.KillAsync();
        }
        Assert.All(Children(), child => Assert.True(IsAlive(child)));

        // The next client gets no answer that would stop the hook.
        harness.OnPoll = Steady(4, () => Free(4));
        await using (var next = Executable.Start("allocator", ["run"], new Dictionary<string,
            string?>(settings) { ["ALLOCATOR_Hooks__Released__0"] = null }))
        {
            await Wait.UntilAsync(() => next.Output.Contains("Terminated a hook left running by a client that was killed; no processes remain",
                StringComparison.Ordinal), "the next client has ended the hook");
            Assert.All(Children(), child => Assert.False(IsAlive(child)));
            var desktop = harness.ReadLines("assigned.desktop").Single();
            Assert.True(IsAlive(desktop));
            Assert.Empty(Directory.GetFiles(harness.StateFolder, "running-hook-*"));
            using var end = Process.Start("kill", [desktop]);
            await end.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task Hook_interrupted_by_a_restart_is_reported_as_failed()
    {
        await using var harness = new ClientHarness();
        harness.Script("assigned", "echo run >> $0.runs; sleep 1000");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => harness.ReadLines("assigned.runs").Length == 1, "the hook runs");

        await harness.RestartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");

        Assert.Equal(Outcome.Failed, harness.Outcomes.Single().Outcome);
        Assert.Single(harness.ReadLines("assigned.runs"));
    }

    [Fact]
    public async Task Failed_released_hook_is_reported_and_retried_at_the_next_start()
    {
        await using var harness = new ClientHarness();
        harness.Script("released", "echo disk full; exit 1");
        harness.OnPoll = Steady(3, () => Cleaning(3));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => harness.Outcomes.Count == 1, "the failure is reported");
        await harness.PassPollsAsync(2);
        Assert.Equal((3, Outcome.Failed), (harness.Outcomes.Single().Generation, harness.Outcomes.Single().Outcome));

        harness.Script("released", "exit 0");
        await harness.RestartAsync();
        await harness.PassUntilAsync(() => harness.Outcomes.Count == 2, "clean is reported");
        Assert.Equal(Outcome.Clean, harness.Outcomes.Last().Outcome);
    }

    [Fact]
    public async Task Child_that_keeps_the_output_open_does_not_delay_the_outcome()
    {
        await using var harness = new ClientHarness();
        harness.Script("assigned", "sleep 1000 & echo $! > $0.child; exit 0");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() =>
        {
            harness.HookTime.Advance(TimeSpan.FromMilliseconds(100));
            return !harness.Outcomes.IsEmpty;
        }, "the outcome is reported");
        Assert.Equal(Outcome.Connected, harness.Outcomes.Single().Outcome);
        using var child = Process.GetProcessById(int.Parse(harness.ReadLines("assigned.child").Single(), null));
        child.Kill();
    }

    [Theory]
    [InlineData("Hooks:Assigned", "/opt/hook", "Hooks:Assigned (environment variable ALLOCATOR_Hooks__Assigned) is '/opt/hook'; it must be a list")]
    [InlineData("Hooks:Released:0", "", "Hooks:Released:0 (environment variable ALLOCATOR_Hooks__Released__0) is ''; it must be a program")]
    public void Hook_that_is_not_a_list_is_an_error(string key, string value, string message)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([new("Url", "https://allocator.example.org"), new(key, value)]).Build();
        Assert.StartsWith(message, Assert.Throws<ClientOptionsException>(() => ClientOptions.Read(configuration)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lost_contact_hook_runs_once_at_the_loss_and_once_at_the_return()
    {
        await using var harness = new ClientHarness();
        var hook = harness.Script("contact", "tr -d '\\n' >> $0.input; echo >> $0.input; echo \"$ALLOCATOR_EVENT\" >> $0.events; exit 1");
        await harness.RestartAsync(options => options with { LostContactHook = [hook] });
        await harness.PassPollsAsync(2);
        harness.OnPoll = _ => Reply(HttpStatusCode.BadGateway, "");
        await harness.PassUntilAsync(() => harness.ReadLines("contact.events").Length == 1, "the loss is reported to the hook");
        await harness.PassPollsAsync(3);
        harness.OnPoll = _ => Free(1);
        await harness.PassUntilAsync(() => harness.ReadLines("contact.events").Length == 2, "the return is reported to the hook");

        Assert.Equal(["lost-contact", "found-contact"], harness.ReadLines("contact.events"));
        Assert.StartsWith(
            "{\"event\":\"lost-contact\",\"hostname\":\"vm-1\",\"generation\":null,\"assignment\":null,\"since\":\"20",
                harness.Inputs("contact")[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Missing_hooks_count_as_success()
    {
        await using var harness = new ClientHarness(options => options with { AssignedHook = [], ReleasedHook = [] });
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => harness.Outcomes.Count == 1, "connected is reported");
        harness.OnPoll = Steady(3, () => Cleaning(3));
        await harness.PassUntilAsync(() => harness.Outcomes.Count == 2, "clean is reported");
        Assert.Equal([Outcome.Connected, Outcome.Clean], harness.Outcomes.Select(outcome => outcome.Outcome!.Value));
    }

    private static bool IsAlive(string process)
    {
        try
        {
            return !File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static bool MayMakeControlGroups()
    {
        var own = File.ReadLines("/proc/self/cgroup").FirstOrDefault(line => line.StartsWith("0::/", StringComparison.Ordinal))?["0::/".Length..];
        var root = File.Exists("/sys/fs/cgroup/cgroup.procs") ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
        try
        {
            var group = Path.Combine(root, own ?? "none", $"allocator-test-{Environment.ProcessId}");
            Directory.CreateDirectory(group);
            Directory.Delete(group);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
