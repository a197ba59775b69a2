using System.Net;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;
using static Allocator.Tests.Client.ClientHarness;

namespace Allocator.Tests.Client.Polling;

public sealed class PollLoopTests
{
    private static readonly Guid Ada = Guid.Parse("0198f000-0000-7000-8000-00000000000a");

    [Fact]
    public async Task Client_enrols_reports_running_and_polls_with_token_and_etag()
    {
        await using var harness = new ClientHarness(options => options with { Pool = "gpu" });
        harness.OnPoll = Steady(1, () => Free(1));
        await harness.StartAsync();
        await harness.PassPollsAsync(3);

        Assert.Equal(("vm-1", "machine-1", "gpu"), harness.Enrolments.Select(e => (e.Hostname, e.MachineId, e.Pool)).Single());
        Assert.Equal(new VmReport(VmStatus.Running, BootId: "boot-1"), Assert.Single(harness.Reports));
        Assert.Equal([null, "\"g1\"", "\"g1\""], harness.Polls.Take(3).Select(poll => poll.IfNoneMatch));
        Assert.All(harness.Polls, poll => Assert.Equal("Bearer vm-1.token", poll.Authorization));
    }

    [Fact]
    public async Task Poll_interval_is_between_once_and_twice_the_max_age()
    {
        await using var harness = new ClientHarness();
        harness.OnPoll = Steady(1, () => Free(1));
        await harness.StartAsync();
        await harness.PassPollsAsync(12);

        var times = harness.Polls.Select(poll => poll.At).ToArray();
        var gaps = times.Zip(times.Skip(1), (earlier, later) => (later - earlier).TotalSeconds).ToArray();
        // Fake time passes in steps of a second.
        Assert.All(gaps, gap => Assert.InRange(gap, 14, 32));
        Assert.True(gaps.Max() - gaps.Min() > 5, string.Join(' ', gaps));
    }

    [Fact]
    public async Task Token_and_state_files_are_private_and_survive_a_restart()
    {
        await using var harness = new ClientHarness();
        harness.OnPoll = Steady(1, () => Free(1));
        await harness.StartAsync();
        await harness.PassPollsAsync(2);
        foreach (var file in new[] { "token", "state.json" })
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(harness.StateFolder, file)));
        }

        await harness.RestartAsync();
        harness.Polls.Clear();
        await harness.PassPollsAsync(1);

        Assert.Equal("\"g1\"", harness.Polls.First().IfNoneMatch);
        Assert.Single(harness.Enrolments);
    }

    [Fact]
    public async Task Hook_runs_and_its_outcome_is_reported_once_per_assignment()
    {
        await using var harness = new ClientHarness();
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        await harness.PassPollsAsync(3);
        await harness.RestartAsync();
        await harness.PassPollsAsync(3);
        // A restarted replica would answer with 200 and the same body.
        harness.OnPoll = _ => Assigned(2, Ada);
        await harness.PassPollsAsync(2);

        var input = Assert.Single(harness.Inputs("assigned"));
        Assert.Equal(
            """{"event":"assigned","hostname":"vm-1","generation":2"""
                + $$$""","assignment":{"id":"{{{Ada}}}","email":"ada@example.org","command":{"code":"4/0A","pin":"123456"}"""
                + ""","assignedAt":"1970-01-01T00:00:00Z"}}""",
            input);
        Assert.Equal(new OutcomeReport(2, Outcome.Connected, "https://vm-1.example.org/"), Assert.Single(harness.Outcomes));
    }

    [Fact]
    public async Task Reboot_runs_the_hook_again_before_the_server_answers()
    {
        await using var harness = new ClientHarness();
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        harness.OnPoll = _ => Reply(HttpStatusCode.InternalServerError, "");

        await harness.RestartAsync(options => options with { BootId = "boot-2" });

        await Wait.UntilAsync(() => harness.Inputs("assigned").Length == 2, "the hook has run again");
    }

    [Fact]
    public async Task Cleaning_runs_the_released_hook_and_reports_clean()
    {
        await using var harness = new ClientHarness();
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => harness.Outcomes.Count == 1, "connected is reported");
        harness.OnPoll = Steady(3, () => Cleaning(3));
        await harness.PassUntilAsync(() => harness.Outcomes.Count == 2, "clean is reported");
        harness.OnPoll = Steady(4, () => Free(4));
        await harness.PassPollsAsync(2);

        Assert.Equal("""{"event":"released","hostname":"vm-1","generation":3,"assignment":null}""", Assert.Single(harness.Inputs("released")));
        Assert.Equal(new OutcomeReport(3, Outcome.Clean), harness.Outcomes.Last());
    }

    [Fact]
    public async Task Lost_outcome_is_reported_again_even_after_a_restart()
    {
        await using var harness = new ClientHarness();
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        harness.OnOutcome = () => Reply(HttpStatusCode.ServiceUnavailable, "");
        await harness.StartAsync();
        await harness.PassUntilAsync(() => harness.Inputs("assigned").Length == 1, "the hook has run");
        await harness.PassPollsAsync(2);
        Assert.Empty(harness.Outcomes);
        await harness.RestartAsync();
        harness.OnOutcome = () => Empty(HttpStatusCode.NoContent);

        await harness.PassPollsAsync(2);

        Assert.Equal(Outcome.Connected, Assert.Single(harness.Outcomes).Outcome);
        Assert.Single(harness.Inputs("assigned"));
    }

    [Fact]
    public async Task Outdated_outcome_is_reported_only_once()
    {
        await using var harness = new ClientHarness();
        var refused = 0;
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        harness.OnOutcome = () =>
        {
            Interlocked.Increment(ref refused);
            return Reply(HttpStatusCode.Conflict, "");
        };
        await harness.StartAsync();
        await harness.PassUntilAsync(() => refused == 1, "the outcome is refused");
        await harness.PassPollsAsync(3);
        Assert.Equal(1, refused);
    }

    [Fact]
    public async Task Refused_token_makes_the_client_enrol_again()
    {
        foreach (var status in new[] { HttpStatusCode.Unauthorized, HttpStatusCode.NotFound })
        {
            await using var harness = new ClientHarness();
            harness.OnPoll = poll => poll.Authorization == "Bearer vm-1.fresh" ? Free(1) : Reply(status, "");
            await harness.StartAsync();
            await harness.PassPollsAsync(1);
            harness.OnEnrol = () => Json(HttpStatusCode.Created, """{"hostname":"vm-1","pool":"default","token":"vm-1.fresh"}""");
            await harness.PassUntilAsync(() =>
                harness.Polls.Count(poll => poll.Authorization == "Bearer vm-1.fresh") >= 2, "the client polls with the new token");
            Assert.Equal("vm-1.fresh", await File.ReadAllTextAsync(Path.Combine(harness.StateFolder, "token")));
        }
    }

    [Fact]
    public async Task Refused_client_without_enrolment_token_keeps_polling_slowly()
    {
        await using var harness = new ClientHarness();
        await harness.StartAsync();
        await harness.PassPollsAsync(1);
        harness.OnPoll = _ => Reply(HttpStatusCode.Unauthorized, "");
        await harness.RestartAsync(options => options with { EnrolmentToken = null });
        await harness.PassPollsAsync(6);
        harness.OnPoll = _ => Free(1);
        await harness.PassPollsAsync(2);
        Assert.Single(harness.Enrolments);
    }

    public static TheoryData<string, string?, string?> UselessReplies => new()
    {
        { "401", null, null },
        { "403", null, null },
        { "404", null, null },
        { "429", null, null },
        { "500", "Internal Server Error", "text/plain" },
        { "502", "<html>Bad Gateway</html>", "text/html" },
        { "503", null, null },
        { "200", "<html>Please log in to the Wi-Fi</html>", "text/html" },
        { "200", "", "application/json" },
        { "200", "null", "application/json" },
        { "200", "{\"hostname\":\"vm-1\",\"generation\":9,\"sta", "application/json" },
        { "200", """{"hostname":"vm-2","generation":9,"state":"free","assignment":null}""", "application/json" },
        { "200", """{"hostname":"vm-1","generation":0,"state":"free","assignment":null}""", "application/json" },
        { "200", """{"hostname":"vm-1","generation":9,"state":"dancing","assignment":null}""", "application/json" },
        { "200", """{"hostname":"vm-1","generation":9,"state":"assigned","assignment":null}""", "application/json" },
        { "302", null, null },
        { "204", null, null },
    };

    [Theory]
    [MemberData(nameof(UselessReplies))]
    public async Task Unusable_response_neither_stops_the_client_nor_changes_its_state(string status, string? body, string? contentType)
    {
        await using var harness = new ClientHarness();
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        await harness.PassPollsAsync(1);
        var known = await File.ReadAllTextAsync(Path.Combine(harness.StateFolder, "state.json"));

        (string, string)[] headers = [("Location", "http://127.0.0.1:1/login"), ("ETag", "\"g9\""),
            .. contentType is null ? Array.Empty<(string, string)>() : [("Content-Type", contentType)]];
        harness.OnPoll = _ => Reply((HttpStatusCode)int.Parse(status, null), body, headers);
        await harness.PassPollsAsync(4);
        Assert.Equal("\"g2\"", harness.Polls.Last().IfNoneMatch);
        Assert.Equal(known, await File.ReadAllTextAsync(Path.Combine(harness.StateFolder, "state.json")));

        harness.OnPoll = Steady(3, () => Cleaning(3));
        await harness.PassUntilAsync(() => harness.Outcomes.Any(outcome => outcome.Outcome == Outcome.Clean), "the client acts on the next answer");
        Assert.Single(harness.Inputs("assigned"));
    }

    [Fact]
    public async Task Hanging_or_unreachable_server_does_not_stop_the_client()
    {
        await using var harness = new ClientHarness(options => options with { RequestTimeout = TimeSpan.FromMilliseconds(200) });
        await harness.StartAsync();
        await harness.PassPollsAsync(1);
        using var hang = new ManualResetEventSlim();
        harness.OnPoll = _ =>
        {
            hang.Wait();
            return Free(1);
        };
        await harness.PassPollsAsync(3);
        Assert.Contains(harness.Log, line => line.Contains("no complete response within 0.2 s", StringComparison.Ordinal));
        harness.OnPoll = _ => Free(1);
        hang.Set();
        await harness.PassPollsAsync(2);

        await harness.RestartAsync(options => options with { Url = new Uri("http://127.0.0.1:1") });
        await harness.PassUntilAsync(
            () => harness.Log.Any(line => line.Contains("no connection to 127.0.0.1:1", StringComparison.Ordinal)), "a poll fails");
        await harness.RestartAsync(options => options with { Url = new Uri(harness.Server.Url!) });
        await harness.PassPollsAsync(2);
    }

    [Fact]
    public async Task Retry_after_is_honoured()
    {
        await using var harness = new ClientHarness();
        harness.OnPoll = _ => Reply(HttpStatusCode.ServiceUnavailable, "", ("Retry-After", "100"));
        await harness.StartAsync();
        await harness.PassPollsAsync(1);
        var refusedAt = harness.Polls.Single().At;
        harness.OnPoll = _ => Free(1);

        await harness.PassPollsAsync(1);

        Assert.InRange((harness.Polls.Last().At - refusedAt).TotalSeconds, 100, 132);
    }

    [Fact]
    public async Task Backoff_grows_and_is_capped_at_two_minutes()
    {
        await using var harness = new ClientHarness();
        harness.OnPoll = _ => Reply(HttpStatusCode.InternalServerError, "");
        await harness.StartAsync();
        await harness.PassPollsAsync(10);

        var times = harness.Polls.Select(poll => poll.At).ToArray();
        var gaps = times.Zip(times.Skip(1), (earlier, later) => (later - earlier).TotalSeconds).ToArray();
        Assert.InRange(gaps[0], 14, 32);
        Assert.InRange(gaps[1], 29, 62);
        Assert.All(gaps[2..], gap => Assert.InRange(gap, 59, 124));
    }

    [Fact]
    public async Task Unwritable_state_folder_does_not_stop_polling()
    {
        await using var harness = new ClientHarness();
        // A file in place of the folder: not even root can write to it.
        await File.WriteAllTextAsync(harness.StateFolder, "");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the client acts on its assignment");
        await harness.PassPollsAsync(2);
        Assert.Single(harness.Inputs("assigned"));
    }

    [Fact]
    public async Task Unreadable_state_file_is_ignored()
    {
        await using var harness = new ClientHarness();
        Directory.CreateDirectory(harness.StateFolder);
        await File.WriteAllTextAsync(Path.Combine(harness.StateFolder, "state.json"), "{\"etag\":\"\\\"g");
        await harness.StartAsync();
        await harness.PassPollsAsync(2);
        Assert.Null(harness.Polls.First().IfNoneMatch);
    }
}
