using System.Net;
using Allocator.Contracts;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;
using Outcome = Allocator.Contracts.Outcome;

namespace Allocator.Polling;

/// <summary>
/// The one loop: enrol if needed, report what is due, poll, do what was said, wait. Nothing that a server or a network
/// can do ends it.
/// </summary>
internal sealed partial class PollLoop : BackgroundService
{
    private readonly IAllocatorApi _api;
    private readonly AllocatorClientOptions _options;
    private readonly ClientState _state;
    private readonly AssignmentWorker _worker;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly ILogger<PollLoop> _log;
    private readonly ResiliencePipeline<PollResult> _untilAnswered;

    private TimeSpan _maxAge = PollDelay.UsualMaxAge;
    private long _startedAt;
    private bool _isReported;

    public PollLoop(
        IAllocatorApi api, AllocatorClientOptions options, ClientState state, AssignmentWorker worker, TimeProvider time, Random random, ILogger<PollLoop> log)
    {
        (_api, _options, _state, _worker, _time, _random, _log) = (api, options, state, worker, time, random, log);
        _untilAnswered = new ResiliencePipelineBuilder<PollResult> { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions<PollResult>
            {
                MaxRetryAttempts = int.MaxValue,
                ShouldHandle = attempt => ValueTask.FromResult(attempt.Outcome.Result is { Answer: null }),
                DelayGenerator = attempt => ValueTask.FromResult<TimeSpan?>(
                    PollDelay.AfterFailure(_maxAge, attempt.AttemptNumber, attempt.Outcome.Result!.RetryAfter, _random)),
                OnRetry = attempt =>
                {
                    Log.Failed(_log, attempt.Outcome.Result!.Failure, attempt.RetryDelay);
                    return ValueTask.CompletedTask;
                },
            })
            .Build();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            if (_state.Remembered.Answer is { } lastAnswer)
            {
                // The person may be waiting for a machine that has just rebooted; the poll corrects it if need be.
                await _worker.FollowAsync(lastAnswer);
            }
            await Task.Delay(PollDelay.First(_options.FirstPollWithin, _random), _time, stoppingToken);
            while (true)
            {
                var result = await _untilAnswered.ExecuteAsync(RoundAsync, stoppingToken);
                await TakeAsync(result);
                await WaitAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async ValueTask<PollResult> RoundAsync(CancellationToken cancel)
    {
        _startedAt = _time.GetTimestamp();
        if (_state.Token is null && await EnrolAsync(cancel) is { } failure)
        {
            return failure;
        }
        await ReportAsync(cancel);
        await ReportOutcomeAsync(cancel);
        var (status, result) = await PollAsync(cancel);
        if (status is HttpStatusCode.Unauthorized or HttpStatusCode.NotFound && _options.EnrolmentToken is not null)
        {
            Log.EnrolsAgain(_log, (int)status);
            (_, result) = await EnrolAsync(cancel) is { } refused ? (null, refused) : await PollAsync(cancel);
        }
        return result;
    }

    private async Task<(HttpStatusCode? Status, PollResult Result)> PollAsync(CancellationToken cancel)
    {
        var remembered = _state.Remembered;
        using var reply = await _api.PollAsync(_options.Hostname, remembered.ETag, _state.Token!, cancel);
        cancel.ThrowIfCancellationRequested();
        return (reply.StatusCode, PollResult.Read(reply, remembered, _options.Hostname, _time.GetUtcNow()));
    }

    private async Task<PollResult?> EnrolAsync(CancellationToken cancel)
    {
        if (_options.EnrolmentToken is null)
        {
            return new PollResult(null, null, null, "there is neither a token in the state folder nor an enrolment token", null);
        }
        var request = new EnrolmentRequest(_options.Hostname, _options.MachineId, _options.Pool);
        using var reply = await _api.EnrolAsync(request, _options.EnrolmentToken, cancel);
        cancel.ThrowIfCancellationRequested();
        if (reply is not { IsSuccessful: true, Content.Token: { Length: > 0 } token })
        {
            return PollResult.Failed(reply, _time.GetUtcNow());
        }
        _state.SaveToken(token);
        _isReported = false;
        Log.Enrolled(_log, reply.Content.Hostname, reply.Content.Pool);
        return null;
    }

    /// <summary>Says that the VM is ready, once per start of the client; what fails is said with the next poll.</summary>
    private async Task ReportAsync(CancellationToken cancel)
    {
        if (_isReported)
        {
            return;
        }
        var report = new VmReport(VmStatus.Running, BootId: _options.BootId);
        using var reply = await _api.ReportAsync(_options.Hostname, report, _state.Token!, cancel);
        cancel.ThrowIfCancellationRequested();
        _isReported = reply.IsSuccessful;
    }

    private async Task ReportOutcomeAsync(CancellationToken cancel)
    {
        if (_state.Remembered.Outcome is not { } outcome)
        {
            return;
        }
        using var reply = await _api.ReportOutcomeAsync(_options.Hostname, outcome, _state.Token!, cancel);
        cancel.ThrowIfCancellationRequested();
        // 400 and 409 are the last word: the allocator does not want this outcome, now or later.
        if (reply.IsSuccessful || reply.StatusCode is HttpStatusCode.Conflict or HttpStatusCode.BadRequest)
        {
            Log.Reported(_log, outcome.Outcome, outcome.Generation, (int)reply.StatusCode!);
            _state.Update(remembered => remembered.Outcome == outcome ? remembered with { Outcome = null } : remembered);
        }
    }

    private async Task TakeAsync(PollResult result)
    {
        _maxAge = PollDelay.MaxAge(result.MaxAge);
        var (answer, etag) = (result.Answer!, result.ETag);
        if (etag != _state.Remembered.ETag || answer != _state.Remembered.Answer)
        {
            Log.Answered(_log, answer.State, answer.Generation);
            _state.Update(remembered => remembered with { ETag = etag, Answer = answer });
        }
        await _worker.FollowAsync(answer);
    }

    /// <summary>Until the next poll is due, counted from the start of the last one, or there is an outcome.</summary>
    private async Task WaitAsync(CancellationToken cancel)
    {
        var wait = PollDelay.Next(_maxAge, _random) - _time.GetElapsedTime(_startedAt);
        using var woken = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var due = Task.Delay(wait > TimeSpan.Zero ? wait : TimeSpan.Zero, _time, woken.Token);
        await Task.WhenAny(due, _worker.WaitForOutcomeAsync(woken.Token));
        await woken.CancelAsync();
        cancel.ThrowIfCancellationRequested();
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "Enrolled as {Hostname} in pool {Pool}")]
        public static partial void Enrolled(ILogger log, string hostname, string pool);

        [LoggerMessage(Level = LogLevel.Warning, Message = "The poll was answered with {Status}: enrolling again")]
        public static partial void EnrolsAgain(ILogger log, int status);

        [LoggerMessage(Level = LogLevel.Information, Message = "This VM is {State} in generation {Generation}")]
        public static partial void Answered(ILogger log, VmState state, long generation);

        [LoggerMessage(Level = LogLevel.Information, Message = "Outcome {Outcome} of generation {Generation} is reported ({Status})")]
        public static partial void Reported(ILogger log, Outcome? outcome, long? generation, int status);

        [LoggerMessage(Level = LogLevel.Warning, Message = "The poll failed: {Failure}. What was known goes on; next poll in {Delay}")]
        public static partial void Failed(ILogger log, string? failure, TimeSpan delay);
    }
}
