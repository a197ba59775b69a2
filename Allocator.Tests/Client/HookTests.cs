using System.Diagnostics;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;
using static Allocator.Tests.Client.ClientHarness;

namespace Allocator.Tests.Client;

public sealed class HookTests
{
    private static readonly Guid Ada = Guid.Parse("0198f000-0000-7000-8000-00000000000a");

    [Fact]
    public async Task Hook_gets_arguments_environment_and_input_and_nothing_of_it_reaches_a_shell()
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
        Assert.DoesNotContain(environment, line => line.Contains("4/0A", StringComparison.Ordinal) || line.Contains("123456", StringComparison.Ordinal));
        Assert.Contains("\"code\":\"4/0A;id\"", Assert.Single(harness.ReadLines("hook.input")), StringComparison.Ordinal);
        Assert.False(File.Exists("pwned"));
    }

    [Theory]
    [InlineData("echo begun; echo no display >&2; exit 3", "ended with exit code 3. It printed at its end: begun\nno display")]
    [InlineData("exit 1", "ended with exit code 1.")]
    [InlineData("printf 'a\\033[31m\\000b'; exit 1", "It printed at its end: a[31mb")]
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
        harness.Script("assigned", "head -c 5000000 /dev/zero | tr '\\0' x; echo the end; exit 1");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        Assert.InRange(harness.Outcomes.Single().Detail!.Length, 100, 4096);
        Assert.EndsWith("the end", harness.Outcomes.Single().Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hook_that_is_not_there_is_a_failure_with_words()
    {
        await using var harness = new ClientHarness(options => options with { AssignedHook = ["/no/such/program"] });
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        Assert.Contains("'/no/such/program' cannot be started", harness.Outcomes.Single().Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hook_that_does_not_end_is_stopped_with_all_it_started_while_polls_go_on()
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

        Assert.Contains("did not end within 00:05:00 and was stopped. It printed at its end: still here", harness.Outcomes.Single().Detail, StringComparison.Ordinal);
        await WaitForEndAsync(harness, "assigned.child");
    }

    [Fact]
    public async Task Hook_is_stopped_when_its_assignment_ends()
    {
        await using var harness = new ClientHarness();
        harness.Script("assigned", "sleep 1000 & echo $! > $0.child; wait");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => harness.ReadLines("assigned.child").Length == 1, "the hook runs");

        harness.OnPoll = Steady(3, () => Cleaning(3));
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");

        Assert.Equal(new OutcomeReport(3, Outcome.Clean), harness.Outcomes.Single());
        await WaitForEndAsync(harness, "assigned.child");
    }

    [Fact]
    public async Task Hook_that_a_restart_interrupted_is_not_run_again_but_reported_as_failed()
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
    public async Task Released_hook_that_failed_is_reported_and_tried_again_by_the_next_start()
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
    public async Task Child_that_holds_the_output_open_does_not_hold_up_the_outcome()
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

    [Fact]
    public async Task Without_hooks_there_is_nothing_to_do_and_that_succeeds()
    {
        await using var harness = new ClientHarness(options => options with { AssignedHook = [], ReleasedHook = [] });
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => harness.Outcomes.Count == 1, "connected is reported");
        harness.OnPoll = Steady(3, () => Cleaning(3));
        await harness.PassUntilAsync(() => harness.Outcomes.Count == 2, "clean is reported");
        Assert.Equal([Outcome.Connected, Outcome.Clean], harness.Outcomes.Select(outcome => outcome.Outcome!.Value));
    }

    private static Task WaitForEndAsync(ClientHarness harness, string file)
    {
        var id = int.Parse(harness.ReadLines(file).Single(), null);
        return Wait.UntilAsync(() => !File.Exists($"/proc/{id}/stat") || File.ReadAllText($"/proc/{id}/stat").Contains(") Z ", StringComparison.Ordinal), "the child has ended");
    }
}
