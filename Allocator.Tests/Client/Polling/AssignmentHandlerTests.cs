using System.Net;
using Allocator.Contracts;
using Allocator.Polling;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using static Allocator.Tests.Client.ClientHarness;

namespace Allocator.Tests.Client.Polling;

public sealed class AssignmentHandlerTests
{
    private static readonly Guid Ada = Guid.Parse("0198f000-0000-7000-8000-00000000000a");

    private readonly RecordingHandler _handler = new();

    [Fact]
    public async Task Exception_of_a_handler_is_a_failure_with_its_words()
    {
        await using var harness = Harness();
        _handler.OnAssigned = () => throw new InvalidOperationException("The desktop does not start.");
        harness.OnPoll = Steady(2, () => Assigned(2, Ada));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        await harness.PassPollsAsync(2);

        Assert.Equal(new OutcomeReport(2, Outcome.Failed, null, "The desktop does not start."), Assert.Single(harness.Outcomes));
        Assert.Equal("assigned to ada@example.org", Assert.Single(_handler.Calls));
    }

    [Fact]
    public async Task Vm_is_not_given_to_the_next_person_by_a_handler_that_mistakes_what_it_was_asked()
    {
        await using var harness = Harness();
        _handler.OnReleased = () => Task.FromResult(HandlerResult.Connected());
        harness.OnPoll = Steady(3, () => Cleaning(3));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        Assert.Equal(Outcome.Failed, harness.Outcomes.Single().Outcome);
    }

    [Fact]
    public async Task Loss_of_contact_is_told_once_after_its_time_and_then_that_it_is_back()
    {
        await using var harness = Harness();
        await harness.StartAsync();
        await harness.PassPollsAsync(2);
        var lastAnswer = harness.Polls.Last().At;
        harness.OnPoll = _ => Reply(HttpStatusCode.BadGateway, "");

        await harness.PassUntilAsync(() => !_handler.Calls.IsEmpty, "the loss is told");
        Assert.InRange(harness.Time.GetUtcNow() - lastAnswer, TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(7.5));
        await harness.PassPollsAsync(4);
        harness.OnPoll = _ => Free(1);
        await harness.PassUntilAsync(() => _handler.Calls.Count == 2, "the return is told");
        await harness.PassPollsAsync(2);

        Assert.Equal([$"lost since {lastAnswer:T}", $"found after {lastAnswer:T}"], _handler.Calls);
    }

    [Fact]
    public async Task Short_absence_is_no_loss_of_contact()
    {
        await using var harness = Harness();
        await harness.StartAsync();
        await harness.PassPollsAsync(1);
        for (var i = 0; i < 4; i++)
        {
            harness.OnPoll = _ => Reply(HttpStatusCode.BadGateway, "");
            await harness.PassPollsAsync(3);
            harness.OnPoll = _ => Free(1);
            await harness.PassPollsAsync(1);
        }
        Assert.Empty(_handler.Calls);
    }

    [Fact]
    public async Task What_is_done_about_a_lost_contact_is_stopped_when_it_is_back_and_never_holds_up_the_polls()
    {
        await using var harness = Harness();
        var stopped = new TaskCompletionSource();
        _handler.OnContactLost = async cancel =>
        {
            cancel.Register(stopped.SetResult);
            await Task.Delay(Timeout.InfiniteTimeSpan, harness.Time, cancel);
        };
        harness.OnPoll = _ => Reply(HttpStatusCode.BadGateway, "");
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !_handler.Calls.IsEmpty, "the loss is told");
        await harness.PassPollsAsync(2);
        Assert.False(stopped.Task.IsCompleted);

        harness.OnPoll = _ => Free(1);
        await harness.PassPollsAsync(1);
        await Wait.UntilAsync(() => stopped.Task.IsCompleted && _handler.Calls.Count == 2, "it is stopped, and the return is told");
    }

    [Fact]
    public async Task Enrolment_token_is_asked_for_until_there_is_one_and_again_when_the_vm_has_to_enrol_anew()
    {
        string? token = null;
        var asked = 0;
        await using var harness = new ClientHarness(options => options with
        {
            EnrolmentToken = _ => ++asked == 1 ? throw new IOException("no network yet") : new(token),
        });
        await harness.StartAsync();
        await harness.PassUntilAsync(() => asked == 3, "it has asked three times");
        Assert.Empty(harness.Enrolments);
        Assert.Contains("no enrolment token yet", ClientStatus.Read(harness.StatusPath)!.LastFailure!.Why, StringComparison.Ordinal);

        token = "enrolment-token";
        await harness.PassPollsAsync(2);
        Assert.Single(harness.Enrolments);
        Assert.Equal(4, asked);

        harness.OnPoll = poll => poll.Authorization == "Bearer vm-1.fresh" ? Free(1) : Reply(HttpStatusCode.Unauthorized, "");
        harness.OnEnrol = () => Json(HttpStatusCode.Created, """{"hostname":"vm-1","pool":"default","token":"vm-1.fresh"}""");
        await harness.PassUntilAsync(() => harness.Enrolments.Count == 2, "it enrols anew");
        Assert.Equal(5, asked);
    }

    private ClientHarness Harness() => new() { OnBuild = services => services.AddSingleton<IAssignmentHandler>(_handler) };
}
