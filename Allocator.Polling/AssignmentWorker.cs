using Allocator.Contracts;
using Microsoft.Extensions.Logging;

namespace Allocator.Polling;

/// <summary>What the client does about an answer of the allocator.</summary>
internal enum HandlerAction
{
    /// <summary>There is nothing to do, or it is done or in progress.</summary>
    None,

    /// <summary>Run the handler.</summary>
    Run,

    /// <summary>Report a failure: the handler was running when the client ended, so its result is unknown.</summary>
    ReportInterrupted,
}

/// <summary>
/// Runs the handler once for each answer and stores its outcome, which the poll loop reports. Polling continues meanwhile,
/// and a newer answer cancels the handler.
/// </summary>
internal sealed partial class AssignmentWorker(
    StateStore state, IAssignmentHandler handler, AllocatorClientOptions options, TimeProvider time, ILogger<AssignmentWorker> log)
    : IAsyncDisposable
{
    private readonly SemaphoreSlim _outcomes = new(0);
    private CancellationTokenSource? _stop;
    private VmAssignment? _runningFor;
    private long _failedCleaning;
    private Task _running = Task.CompletedTask;

    /// <summary>Completes as soon as there is an outcome to report.</summary>
    public Task WaitForOutcomeAsync(CancellationToken cancel) => _outcomes.WaitAsync(cancel);

    /// <summary>Applies the newest answer; called for each one, changed or not.</summary>
    public async Task FollowAsync(VmAssignment answer)
    {
        var isRunning = !_running.IsCompleted && _runningFor is { } current
            && current.State == answer.State && current.Generation == answer.Generation;
        if (!isRunning)
        {
            await StopAsync();
        }
        if (answer.State == VmState.Cleaning && answer.Generation == _failedCleaning)
        {
            // The failure has been reported. It needs a person to fix it; the next start of the client tries again.
            return;
        }
        switch (Decide(answer, state.Current.LastRun, options.BootId, isRunning))
        {
            case HandlerAction.Run:
                Start(answer);
                break;
            case HandlerAction.ReportInterrupted:
                Log.Interrupted(log, answer.Generation);
                Finish(answer, HandlerResult.Failed("The client was restarted while its hook was running."));
                break;
        }
    }

    /// <summary>
    /// Decides whether to run the handler. For a person it runs once per assignment and boot: again after a reboot, which
    /// ended what it had started, but not after a restart of the client. Cleaning runs at each start until it has succeeded.
    /// </summary>
    public static HandlerAction Decide(VmAssignment answer, HandlerRun? last, string bootId, bool isRunning)
    {
        if (isRunning || answer.State is not (VmState.Assigned or VmState.Cleaning))
        {
            return HandlerAction.None;
        }
        var isForThisAnswer = last is not null && last.For == answer.State && last.BootId == bootId
            && (answer.State == VmState.Assigned ? last.AssignmentId == answer.Assignment?.Id : last.Generation == answer.Generation);
        return !isForThisAnswer ? HandlerAction.Run
            : answer.State == VmState.Cleaning ? last!.Outcome == Outcome.Clean ? HandlerAction.None : HandlerAction.Run
            : last!.EndedAt is null ? HandlerAction.ReportInterrupted
            : HandlerAction.None;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _outcomes.Dispose();
    }

    private void Start(VmAssignment answer)
    {
        var run = new HandlerRun(answer.State, answer.Generation, answer.Assignment?.Id, options.BootId, time.GetUtcNow());
        state.Update(persisted => persisted with { LastRun = run });
        _stop = new CancellationTokenSource();
        _runningFor = answer;
        _running = RunAsync(answer, _stop.Token);
    }

    private async Task RunAsync(VmAssignment answer, CancellationToken cancel)
    {
        try
        {
            var result = await HandleAsync(answer, cancel);
            cancel.ThrowIfCancellationRequested();
            Finish(answer, result);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            Log.Cancelled(log, answer.Generation);
        }
        catch (Exception e)
        {
            Log.Threw(log, e, answer.Generation);
            Finish(answer, HandlerResult.Failed(e.Message));
        }
    }

    private async Task<HandlerResult> HandleAsync(VmAssignment answer, CancellationToken cancel)
    {
        var result = answer is { State: VmState.Assigned, Assignment: { } person }
            ? await handler.AssignedAsync(answer, person, cancel)
            : await handler.ReleasedAsync(answer, cancel);
        return result.Outcome == Outcome.Failed || result.Outcome == (answer.State == VmState.Assigned ? Outcome.Connected : Outcome.Clean)
            ? result
            : HandlerResult.Failed($"The VM is {answer.State}, but its handler returned '{result.Outcome}'.");
    }

    private void Finish(VmAssignment answer, HandlerResult result)
    {
        if (result.Outcome == Outcome.Failed && answer.State == VmState.Cleaning)
        {
            _failedCleaning = answer.Generation;
        }
        var ended = state.Current.LastRun! with { EndedAt = time.GetUtcNow(), Outcome = result.Outcome, Detail = result.Detail };
        state.Update(persisted => persisted with
        {
            LastRun = ended,
            LastFailedRun = result.Outcome == Outcome.Failed ? ended : persisted.LastFailedRun,
            Outcome = new OutcomeReport(answer.Generation, result.Outcome, result.ConnectUrl, result.Detail),
        });
        _outcomes.Release();
    }

    private async Task StopAsync()
    {
        if (_stop is not null)
        {
            await _stop.CancelAsync();
            await _running;
            _stop.Dispose();
            _stop = null;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning,
            Message = "Handler for generation {Generation} was interrupted by a client restart; reporting it as failed")]
        public static partial void Interrupted(ILogger log, long generation);

        [LoggerMessage(Level = LogLevel.Information, Message = "Handler for generation {Generation} cancelled: the assignment has ended")]
        public static partial void Cancelled(ILogger log, long generation);

        [LoggerMessage(Level = LogLevel.Error, Message = "Handler for generation {Generation} failed")]
        public static partial void Threw(ILogger log, Exception e, long generation);
    }
}
