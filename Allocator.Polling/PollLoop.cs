using System.Net;
using Allocator.Contracts;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;
using Refit;
using Outcome = Allocator.Contracts.Outcome;

namespace Allocator.Polling;

/// <summary>
/// The one loop: enrol if needed, report what is due, poll, do what was said, wait. Nothing that a server or a network
/// can do ends it.
/// </summary>
internal sealed partial class PollLoop : BackgroundService
{
    /// <summary>How long the client's end may be held up by what there still is to say.</summary>
    private static readonly TimeSpan LastReport = TimeSpan.FromSeconds(3);

    private readonly IAllocatorApi _api;
    private readonly AllocatorClientOptions _options;
    private readonly StateStore _state;
    private readonly AssignmentWorker _worker;
    private readonly VmReports _reports;
    private readonly ConnectivityMonitor _connectivity;
    private readonly StatusWriter _status;
    private readonly StartupTimes _startup;
    private readonly RepeatedFailure _trouble;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly ILogger<PollLoop> _log;
    private readonly ResiliencePipeline<PollResult> _untilAnswered;

    private TimeSpan _maxAge = PollDelay.DefaultMaxAge;
    private TimeSpan _interval;
    private long _startedAt;
    private long _refusedAt;
    private TimeSpan _retryAfter;

    public PollLoop(
        IAllocatorApi api, AllocatorClientOptions options, StateStore state, AssignmentWorker worker, VmReports reports, ConnectivityMonitor connectivity,
        StatusWriter status, StartupTimes startup, TimeProvider time, Random random, ILogger<PollLoop> log)
    {
        (_api, _options, _state, _worker, _reports, _connectivity) = (api, options, state, worker, reports, connectivity);
        (_status, _startup, _trouble, _time, _random, _log) = (status, startup, new RepeatedFailure(time), time, random, log);
        // Before anything else on the VM can know better.
        _reports.Report(new VmReport(VmStatus.Running, BootId: _options.BootId));
        _untilAnswered = new ResiliencePipelineBuilder<PollResult> { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions<PollResult>
            {
                MaxRetryAttempts = int.MaxValue,
                ShouldHandle = attempt => ValueTask.FromResult(attempt.Outcome.Result is { Answer: null }),
                DelayGenerator = attempt => ValueTask.FromResult<TimeSpan?>(
                    PollDelay.AfterFailure(_maxAge, attempt.AttemptNumber, attempt.Outcome.Result!.RetryAfter, _random)),
                OnRetry = attempt =>
                {
                    Fail(attempt.Outcome.Result!.Why!, attempt.AttemptNumber + 1, attempt.RetryDelay);
                    return ValueTask.CompletedTask;
                },
            })
            .Build();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            if (_state.Current.Answer is { } lastAnswer)
            {
                // The person may be waiting for a machine that has just rebooted; the poll corrects it if need be.
                await _worker.FollowAsync(lastAnswer);
            }
            var first = PollDelay.First(_options.FirstPollWithin, _random);
            Log.Begins(_log, _options.Url, _options.Hostname, first);
            _status.Update(known => known with { NextPollAt = _time.GetUtcNow() + first });
            await Task.Delay(first, _time, stoppingToken);
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

    /// <summary>Stops the polls, then says what there still is to say, such as that the VM reboots; not for long.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        using var timeout = new CancellationTokenSource(LastReport, _time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            // Who has not polled yet is not known to run, and need not be known to stop.
            if (_startedAt != 0 && _state.Token is not null)
            {
                await ReportAsync(stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
            Log.Unsaid(_log);
        }
        _status.Update(known => known with { NextPollAt = null, StoppedAt = _time.GetUtcNow() });
    }

    private async ValueTask<PollResult> RoundAsync(CancellationToken cancel)
    {
        _startedAt = _time.GetTimestamp();
        try
        {
            return await AskAsync(cancel);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            // What nobody has thought of must not end the polls either.
            Log.Threw(_log, e);
            return PollResult.Failed(e.Message);
        }
    }

    private async Task<PollResult> AskAsync(CancellationToken cancel)
    {
        _state.WriteUnwritten();
        if (_state.Token is null && await EnrolAsync(cancel) is { } failure)
        {
            return failure;
        }
        await ReportAsync(cancel);
        await ReportOutcomeAsync(cancel);
        var (status, result) = await PollAsync(cancel);
        if (status is HttpStatusCode.Unauthorized or HttpStatusCode.NotFound && _options.EnrolmentToken is not null)
        {
            if (!_trouble.Is)
            {
                Log.EnrolsAgain(_log, (int)status);
            }
            (_, result) = await EnrolAsync(cancel) is { } refused ? (null, refused) : await PollAsync(cancel);
        }
        return result;
    }

    private async Task<(HttpStatusCode? Status, PollResult Result)> PollAsync(CancellationToken cancel)
    {
        var persisted = _state.Current;
        using var reply = await _api.PollAsync(_options.Hostname, persisted.ETag, _state.Token!, cancel);
        cancel.ThrowIfCancellationRequested();
        return (reply.StatusCode, PollResult.Read(reply, persisted, _options, _time.GetUtcNow()));
    }

    private async Task<PollResult?> EnrolAsync(CancellationToken cancel)
    {
        var (enrolmentToken, failure) = await FindEnrolmentTokenAsync(cancel);
        if (enrolmentToken is null)
        {
            return PollResult.Failed(failure!);
        }
        var request = new EnrolmentRequest(_options.Hostname, _options.MachineId, _options.Pool);
        using var reply = await _api.EnrolAsync(request, enrolmentToken, cancel);
        cancel.ThrowIfCancellationRequested();
        if (reply is not { IsSuccessful: true, Content.Token: { Length: > 0 } token })
        {
            return PollResult.Failed(reply, _options, _time.GetUtcNow());
        }
        _state.SaveToken(token);
        _reports.ForgetAcknowledged();
        _startup.Record("enrolled");
        Log.Enrolled(_log, reply.Content.Hostname, reply.Content.Pool);
        return null;
    }

    private async Task<(string? Token, string? Failure)> FindEnrolmentTokenAsync(CancellationToken cancel)
    {
        if (_options.EnrolmentToken is null)
        {
            return (null, "there is neither a token in the state folder nor an enrolment token");
        }
        try
        {
            return await _options.EnrolmentToken(cancel) is { Length: > 0 } token ? (token, null) : (null, "there is no enrolment token yet");
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            return (null, $"the enrolment token cannot be had: {e.Message}");
        }
    }

    /// <summary>Says what has changed on the VM; what is not heard is said with the next poll.</summary>
    private async Task ReportAsync(CancellationToken cancel)
    {
        if (IsHeldBack || _reports.Pending is not { } changes)
        {
            return;
        }
        if (await ReportAsync(changes, cancel) is HttpStatusCode.BadRequest)
        {
            // One wrong fact must not hide the others, least of all that the VM runs.
            foreach (var fact in VmReports.Split(changes))
            {
                if (await ReportAsync(fact, cancel) is HttpStatusCode.BadRequest)
                {
                    Log.Refused(_log, fact);
                    _reports.Acknowledge(fact);
                }
            }
        }
    }

    private async Task<HttpStatusCode?> ReportAsync(VmReport report, CancellationToken cancel)
    {
        using var reply = await _api.ReportAsync(_options.Hostname, report, _state.Token!, cancel);
        cancel.ThrowIfCancellationRequested();
        HonourRetryAfter(reply);
        if (reply.IsSuccessful)
        {
            _reports.Acknowledge(report);
        }
        return reply.StatusCode;
    }

    private async Task ReportOutcomeAsync(CancellationToken cancel)
    {
        if (_state.Current.Outcome is not { } outcome || IsHeldBack)
        {
            return;
        }
        using var reply = await _api.ReportOutcomeAsync(_options.Hostname, outcome, _state.Token!, cancel);
        cancel.ThrowIfCancellationRequested();
        HonourRetryAfter(reply);
        // 400 and 409 are the last word: the allocator does not want this outcome, now or later.
        if (reply.IsSuccessful || reply.StatusCode is HttpStatusCode.Conflict or HttpStatusCode.BadRequest)
        {
            Log.Reported(_log, outcome.Outcome, outcome.Generation, (int)reply.StatusCode!);
            _state.Update(persisted => persisted.Outcome == outcome ? persisted with { Outcome = null } : persisted);
        }
        if (reply.IsSuccessful && outcome.Outcome == Outcome.Failed)
        {
            // To the allocator, a VM that failed is in error until it says otherwise.
            var error = new VmReport(VmStatus.Error);
            _reports.Report(error);
            _reports.Acknowledge(error);
        }
    }

    /// <summary>The database may be away while polls are still answered: they go on, and the rest waits.</summary>
    private void HonourRetryAfter(IApiResponse reply)
    {
        if (!reply.IsSuccessful && PollResult.ReadRetryAfter(reply, _time.GetUtcNow()) is { } wait)
        {
            (_refusedAt, _retryAfter) = (_time.GetTimestamp(), PollDelay.RetryAfter(wait));
        }
    }

    /// <summary>Not by the time of day: that jumps.</summary>
    private bool IsHeldBack => _time.GetElapsedTime(_refusedAt) < _retryAfter;

    private void Fail(string why, int failedPolls, TimeSpan delay)
    {
        if (_trouble.IsNews(why))
        {
            Log.Failed(_log, why, failedPolls, delay);
        }
        var now = _time.GetUtcNow();
        _status.Update(known => known with { PolledAt = now, FailedPolls = failedPolls, LastFailure = new PollFailure(now, why), NextPollAt = now + delay });
        _connectivity.RecordFailure();
    }

    private async Task TakeAsync(PollResult result)
    {
        _connectivity.RecordAnswer();
        _startup.RecordAnswer();
        if (_trouble.End())
        {
            Log.AnsweredAgain(_log);
        }
        _maxAge = PollDelay.MaxAge(result.MaxAge);
        _interval = PollDelay.Next(_maxAge, _random);
        var now = _time.GetUtcNow();
        _status.Update(known => known with { PolledAt = now, AnsweredAt = now, FailedPolls = 0, Interval = _maxAge, NextPollAt = now + UntilDue });
        var (answer, etag) = (result.Answer!, result.ETag);
        if (etag != _state.Current.ETag || answer != _state.Current.Answer)
        {
            Log.Answered(_log, answer.State, answer.Generation);
            _state.Update(persisted => persisted with { ETag = etag, Answer = answer });
        }
        await _worker.FollowAsync(answer);
    }

    /// <summary>Counted from the start of the last poll.</summary>
    private TimeSpan UntilDue => _interval - _time.GetElapsedTime(_startedAt);

    /// <summary>Until the next poll is due, or there is an outcome.</summary>
    private async Task WaitAsync(CancellationToken cancel)
    {
        var wait = UntilDue;
        using var woken = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var due = Task.Delay(wait > TimeSpan.Zero ? wait : TimeSpan.Zero, _time, woken.Token);
        await Task.WhenAny(due, _worker.WaitForOutcomeAsync(woken.Token));
        await woken.CancelAsync();
        cancel.ThrowIfCancellationRequested();
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "Polls {Url} as {Hostname}, for the first time in {Delay}")]
        public static partial void Begins(ILogger log, Uri url, string hostname, TimeSpan delay);

        [LoggerMessage(Level = LogLevel.Information, Message = "Enrolled as {Hostname} in pool {Pool}")]
        public static partial void Enrolled(ILogger log, string hostname, string pool);

        [LoggerMessage(Level = LogLevel.Warning, Message = "The poll was answered with {Status}: enrolling again")]
        public static partial void EnrolsAgain(ILogger log, int status);

        [LoggerMessage(Level = LogLevel.Information, Message = "This VM is {State} in generation {Generation}")]
        public static partial void Answered(ILogger log, VmState state, long generation);

        [LoggerMessage(Level = LogLevel.Information, Message = "Outcome {Outcome} of generation {Generation} is reported ({Status})")]
        public static partial void Reported(ILogger log, Outcome? outcome, long? generation, int status);

        [LoggerMessage(Level = LogLevel.Error, Message = "The allocator does not take this report: {Report}")]
        public static partial void Refused(ILogger log, VmReport report);

        [LoggerMessage(Level = LogLevel.Warning, Message = "The last report did not arrive in time")]
        public static partial void Unsaid(ILogger log);

        [LoggerMessage(Level = LogLevel.Error, Message = "The poll threw")]
        public static partial void Threw(ILogger log, Exception e);

        /// <summary>When it begins or changes, and else once an hour.</summary>
        [LoggerMessage(Level = LogLevel.Warning, Message = "The poll failed ({FailedPolls} in a row): {Why}. What was known goes on; next poll in {Delay}")]
        public static partial void Failed(ILogger log, string why, int failedPolls, TimeSpan delay);

        [LoggerMessage(Level = LogLevel.Information, Message = "Polls are answered again")]
        public static partial void AnsweredAgain(ILogger log);
    }
}
