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
    public async Task Exception_of_a_handler_is_reported_as_failure_with_its_message()
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
    public async Task Handler_result_of_the_wrong_kind_is_a_failure()
    {
        await using var harness = Harness();
        _handler.OnReleased = () => Task.FromResult(HandlerResult.Connected());
        harness.OnPoll = Steady(3, () => Cleaning(3));
        await harness.StartAsync();
        await harness.PassUntilAsync(() => !harness.Outcomes.IsEmpty, "the outcome is reported");
        Assert.Equal(Outcome.Failed, harness.Outcomes.Single().Outcome);
    }

    [Fact]
    public async Task Handler_learns_of_lost_and_restored_contact_once_each()
    {
        await using var harness = Harness();
        await harness.StartAsync();
        await harness.PassPollsAsync(2);
        var lastAnswer = harness.Polls.Last().At;
        harness.OnPoll = _ => Reply(HttpStatusCode.BadGateway, "");

        await harness.PassUntilAsync(() => !_handler.Calls.IsEmpty, "the loss is reported to the handler");
        Assert.InRange(harness.Time.GetUtcNow() - lastAnswer, TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(7.5));
        await harness.PassPollsAsync(4);
        harness.OnPoll = _ => Free(1);
        await harness.PassUntilAsync(() => _handler.Calls.Count == 2, "the return is reported to the handler");
        await harness.PassPollsAsync(2);

        Assert.Equal([$"lost since {lastAnswer:T}", $"found after {lastAnswer:T}"], _handler.Calls);
    }

    [Fact]
    public async Task Short_outage_is_no_loss_of_contact()
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
    public async Task Lost_contact_handler_is_cancelled_on_return_and_never_delays_polls()
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
        await harness.PassUntilAsync(() => !_handler.Calls.IsEmpty, "the loss is reported to the handler");
        await harness.PassPollsAsync(2);
        Assert.False(stopped.Task.IsCompleted);

        harness.OnPoll = _ => Free(1);
        await harness.PassPollsAsync(1);
        await Wait.UntilAsync(() => stopped.Task.IsCompleted && _handler.Calls.Count == 2,
            "the handler is cancelled and the return is reported to it");
    }

    [Fact]
    public async Task Enrolment_token_is_requested_for_each_enrolment_until_available()
    {
        string? token = null;
        var asked = 0;
        await using var harness = new ClientHarness(options => options with
        {
            EnrolmentToken = _ => ++asked == 1 ? throw new IOException("no network yet") : new(token),
        });
        await harness.StartAsync();
        await harness.PassUntilAsync(() => asked == 3, "the token has been requested three times");
        Assert.Empty(harness.Enrolments);
        Assert.Contains("no enrolment token yet", ClientStatus.Read(harness.StatusPath)!.LastFailure!.Why, StringComparison.Ordinal);

        token = "enrolment-token";
        await harness.PassPollsAsync(2);
        Assert.Single(harness.Enrolments);
        Assert.Equal(4, asked);

        harness.OnPoll = poll => poll.Authorization == "Bearer vm-1.fresh" ? Free(1) : Reply(HttpStatusCode.Unauthorized, "");
        harness.OnEnrol = () => Json(HttpStatusCode.Created, """{"hostname":"vm-1","pool":"default","token":"vm-1.fresh"}""");
        await harness.PassUntilAsync(() => harness.Enrolments.Count == 2, "it enrols again");
        Assert.Equal(5, asked);
    }

    private ClientHarness Harness() => new() { OnBuild = services => services.AddSingleton<IAssignmentHandler>(_handler) };
}
