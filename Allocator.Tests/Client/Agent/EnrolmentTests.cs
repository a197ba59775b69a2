using System.Net;
using Allocator.Client.Agent;
using Allocator.Client.Agent.Processes;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Time.Testing;
using Xunit;
using static Allocator.Tests.Client.ClientHarness;

namespace Allocator.Tests.Client.Agent;

public sealed class EnrolmentTests
{
    [Fact]
    public async Task Token_file_is_read_for_each_enrolment()
    {
        await using var harness = new ClientHarness();
        var file = Path.Combine(Path.GetDirectoryName(harness.StateFolder)!, "enrolment-token");
        await harness.RestartAsync(options => options with { EnrolmentToken = cancel => EnrolmentTokenSource.FromFile(file, cancel) });
        await harness.PassUntilAsync(() =>
            harness.Log.Any(line => line.Contains($"there is no file {file}", StringComparison.Ordinal)), "the missing file is logged");
        Assert.Empty(harness.EnrolmentTokens);

        await File.WriteAllTextAsync(file, "first\n");
        await harness.PassPollsAsync(2);
        File.Delete(file);
        await harness.RestartAsync();
        await harness.PassPollsAsync(2);
        Assert.Equal(["Bearer first"], harness.EnrolmentTokens);

        await File.WriteAllTextAsync(file, "second\n");
        harness.OnPoll = poll => poll.Authorization == "Bearer vm-1.fresh" ? Free(1) : Reply(HttpStatusCode.Unauthorized, "");
        harness.OnEnrol = () => Json(HttpStatusCode.Created, """{"hostname":"vm-1","pool":"default","token":"vm-1.fresh"}""");
        await harness.PassUntilAsync(() => harness.Polls.Any(poll => poll.Authorization == "Bearer vm-1.fresh"),
            "the client polls with the new token");
        Assert.Equal(["Bearer first", "Bearer second"], harness.EnrolmentTokens);
    }

    [Fact]
    public async Task Token_of_a_program_is_used_and_its_output_is_never_logged()
    {
        await using var harness = new ClientHarness();
        var program = harness.Script("token", "[ -e $0.ready ] && echo \"$1\" && exit 0; echo a-secret; echo another-secret >&2; exit 3");
        await harness.RestartAsync(options => options with
        {
            EnrolmentToken = cancel => EnrolmentTokenSource.FromProgram([program, "of the store"], new ProgramRunner(harness.HookTime), cancel),
        });
        await harness.PassUntilAsync(() =>
            harness.Log.Any(line => line.Contains("ended with exit code 3", StringComparison.Ordinal)), "the failure is logged");
        await File.WriteAllTextAsync(program + ".ready", "");
        await harness.PassUntilAsync(() =>
            harness.Log.Any(line => line.Contains("is not one token", StringComparison.Ordinal)), "the invalid token is logged");
        harness.Script("token", "echo \"  good_token \"");
        await harness.PassPollsAsync(1);

        Assert.Equal(["Bearer good_token"], harness.EnrolmentTokens);
        Assert.DoesNotContain(harness.Log, line =>
            line.Contains("secret", StringComparison.Ordinal) || line.Contains("of the store", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Program_that_hangs_is_killed_with_its_children()
    {
        await using var harness = new ClientHarness();
        var program = harness.Script("token", "sleep 600 & echo $! > $0.child; wait");
        var time = new FakeTimeProvider();
        var token = EnrolmentTokenSource.FromProgram([program], new ProgramRunner(time), default).AsTask();
        var child = await Wait.ForAsync(() => Task.FromResult(harness.ReadLines("token.child").FirstOrDefault()), "it runs");

        time.Advance(TimeSpan.FromSeconds(31));

        var late = await Assert.ThrowsAsync<EnrolmentTokenException>(() => token);
        Assert.Contains("did not end within 00:00:30", late.Message, StringComparison.Ordinal);
        await Wait.UntilAsync(() => !IsRunning(child), "the child process is gone");
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("two words", "is not one token")]
    [InlineData("one\nper line", "is not one token")]
    [InlineData("tök", "is not one token")]
    public async Task Malformed_token_is_reported_without_showing_it(string content, string expected)
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, content);
        var wrong = Assert.Throws<EnrolmentTokenException>(() => EnrolmentTokenSource.FromFile(file, default).AsTask().GetAwaiter().GetResult());
        File.Delete(file);
        Assert.Contains(expected, wrong.Message, StringComparison.Ordinal);
        Assert.True(content.Length == 0 || !wrong.Message.Contains(content, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Token_setting_precedes_file_and_program()
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "of-the-file");
        Assert.Equal("given", await TokenAsync(("EnrolmentToken", "given"), ("EnrolmentTokenFile", file)));
        Assert.Equal("of-the-file", await TokenAsync(("EnrolmentTokenFile", file), ("EnrolmentTokenCommand:0", "/bin/echo"),
            ("EnrolmentTokenCommand:1", "printed")));
        Assert.Equal("printed", await TokenAsync(("EnrolmentTokenCommand:0", "/bin/echo"), ("EnrolmentTokenCommand:1", "printed")));
        File.Delete(file);

        static async Task<string?> TokenAsync(params (string Key, string? Value)[] settings)
        {
            var configuration = new ConfigurationBuilder().AddInMemoryCollection(
                settings.Append(("Url", "https://allocator.example.org")).Append(("MachineId", "machine-1"))
                    .Select(setting => KeyValuePair.Create(setting.Item1, setting.Item2))).Build();
            return await ClientOptions.Read(configuration).EnrolmentToken!(default);
        }
    }

    [Fact]
    public async Task Deleted_vm_does_not_enrol_again_and_a_refused_one_logs_once()
    {
        await using var harness = new ClientHarness();
        await harness.StartAsync();
        await harness.PassPollsAsync(1);
        harness.OnPoll = _ => Problem(HttpStatusCode.Gone, "vm-deleted", "The VM is deleted", "vm-1 was deleted by an admin.");
        await harness.PassPollsAsync(5);
        Assert.Single(harness.Enrolments);
        Assert.Single(harness.Log, line => line.Contains("410 Gone: The VM is deleted. vm-1 was deleted by an admin.", StringComparison.Ordinal));

        harness.OnPoll = _ => Reply(HttpStatusCode.Unauthorized, "");
        harness.OnEnrol = () => Problem(HttpStatusCode.Unauthorized, "enrolment-token-used", "This enrolment token is used up", "Get another one.");
        await harness.PassPollsAsync(5);
        Assert.True(harness.Enrolments.Count >= 5);
        Assert.Single(harness.Log, line =>
            line.Contains("401 Unauthorized: This enrolment token is used up. Get another one.", StringComparison.Ordinal));
        harness.OnPoll = _ => Free(1);
        await harness.PassPollsAsync(2);
        Assert.Single(harness.Log, line => line.Contains("Polls are answered again", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Full_disk_is_logged_once_and_state_is_saved_when_there_is_room()
    {
        await using var harness = new ClientHarness();
        await using var disk = await TinyDisk.MountAsync(harness.StateFolder);
        disk.Fill();
        harness.OnPoll = Steady(2, () => Assigned(2, Guid.NewGuid()));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the client acts on its assignment");
        await harness.PassPollsAsync(5);
        Assert.Single(harness.Log, line =>
            line.Contains("a restart would lose", StringComparison.Ordinal) && line.Contains("No space left", StringComparison.Ordinal));
        Assert.Contains(harness.Reports, report => report.Warnings?["state"]?.Contains("No space left", StringComparison.Ordinal) == true);
        Assert.Single(harness.Enrolments);

        disk.Empty();
        await harness.PassPollsAsync(3);
        Assert.Equal("vm-1.token", await File.ReadAllTextAsync(Path.Combine(harness.StateFolder, "token")));
        Assert.Contains("\"generation\":2", await File.ReadAllTextAsync(Path.Combine(harness.StateFolder, "state.json")), StringComparison.Ordinal);
        Assert.Null(harness.Reports.Last().Warnings!["state"]);
        await harness.RestartAsync();
        await harness.PassPollsAsync(2);
        Assert.Single(harness.Enrolments);
        await harness.StopAsync();
    }

    private static bool IsRunning(string processId) =>
        Directory.Exists($"/proc/{processId}") && !File.ReadAllText($"/proc/{processId}/stat").Contains(") Z ", StringComparison.Ordinal);
}
