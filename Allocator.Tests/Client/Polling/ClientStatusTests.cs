using System.Net;
using Allocator.Contracts;
using Allocator.Polling;
using Allocator.Tests.Infrastructure;
using Xunit;
using static Allocator.Tests.Client.ClientHarness;

namespace Allocator.Tests.Client.Polling;

public sealed class ClientStatusTests
{
    private static readonly Guid Ada = Guid.Parse("0198f000-0000-7000-8000-00000000000a");

    [Fact]
    public async Task Status_shows_the_client_from_start_to_stop()
    {
        await using var harness = new ClientHarness();
        harness.OnPoll = _ => Reply(HttpStatusCode.ServiceUnavailable, "");
        await harness.StartAsync();
        await harness.PassUntilAsync(() => Read(harness).FailedPolls == 2, "two polls have failed");
        var failing = Read(harness);
        Assert.Equal(("vm-1", true, Environment.ProcessId), (failing.Hostname, failing.Enrolled, failing.ProcessId));
        Assert.Contains("503", failing.LastFailure!.Why, StringComparison.Ordinal);
        Assert.Equal((null, null), (failing.AnsweredAt, failing.Answer));
        Assert.InRange((failing.NextPollAt - failing.PolledAt)!.Value.TotalSeconds, 15, 60);

        harness.OnPoll = Steady(2, () => Assigned(2, Ada, maxAge: 20), maxAge: 20);
        await harness.PassUntilAsync(() =>
            Read(harness) is { LastRun.EndedAt: not null, OutcomePending: false }, "the outcome of the hook is acknowledged");
        var assigned = Read(harness);
        Assert.Equal((0, TimeSpan.FromSeconds(20)), (assigned.FailedPolls, assigned.Interval));
        Assert.Equal(("ada@example.org", VmState.Assigned), (assigned.Answer!.Assignment!.Email, assigned.Answer.State));
        Assert.Equal((VmState.Assigned, 2, Ada, Outcome.Connected),
            (assigned.LastRun!.For, assigned.LastRun.Generation, assigned.LastRun.AssignmentId, assigned.LastRun.Outcome));
        Assert.NotNull(assigned.LastFailure);

        await harness.StopAsync();
        Assert.Equal((harness.Time.GetUtcNow(), null), (Read(harness).StoppedAt, Read(harness).NextPollAt));
    }

    [Fact]
    public async Task Status_is_readable_by_its_owner_only_and_has_no_secrets()
    {
        await using var harness = new ClientHarness();
        harness.OnPoll = Steady(2, () => Assigned(2, Ada, code: "4/0Asecret"));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        await harness.PassPollsAsync(1);

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(harness.StatusPath));
        var text = await File.ReadAllTextAsync(harness.StatusPath);
        foreach (var secret in new[] { "4/0Asecret", "123456", "vm-1.token", "enrolment-token" })
        {
            Assert.DoesNotContain(secret, text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(false, 60)]
    [InlineData(true, 14)]
    public async Task Status_of_steady_polls_is_written_once_a_minute_on_a_disk(bool inMemory, int least)
    {
        await using var harness = new ClientHarness(options =>
            inMemory ? options with { RuntimeFolder = Path.Combine(options.StateFolder, "run") } : options);
        harness.OnPoll = Steady(1, () => Free(1));
        await harness.StartAsync();
        await harness.PassPollsAsync(2);
        var shown = new List<DateTimeOffset>();
        await harness.PassUntilAsync(() =>
        {
            if (Read(harness).PolledAt is { } at && shown.LastOrDefault() != at)
            {
                shown.Add(at);
            }
            return shown.Count == 5;
        }, "five polls are shown");
        Assert.All(shown.Zip(shown.Skip(1)).Skip(1), pair => Assert.InRange((pair.Second - pair.First).TotalSeconds, least, least + 32));
    }

    [Fact]
    public async Task Unwritable_status_file_does_not_stop_the_client()
    {
        await using var harness = new ClientHarness(options => options with { RuntimeFolder = "/proc/nowhere" });
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the client acts on its assignment");
        await Wait.UntilAsync(() => File.Exists(Path.Combine(harness.StateFolder, "state.json")), "the state is saved");
        Assert.Null(ClientStatus.Read("/proc/nowhere/status.json"));
    }

    private static ClientStatus Read(ClientHarness harness) => ClientStatus.Read(harness.StatusPath)!;
}
