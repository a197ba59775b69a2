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
/// The client's only loop: enrol if needed, send pending reports, poll, apply the answer, wait. No response of a server and no
/// failure of the network ends it.
/// </summary>
internal sealed partial class PollLoop : BackgroundService
{
    /// <summary>How long the last report may delay the end of the client.</summary>
    private static readonly TimeSpan LastReport = TimeSpan.FromSeconds(3);

    private readonly IAllocatorApi _api;
    private readonly AllocatorClientOptions _options;
    private readonly StateStore _state;
    private readonly AssignmentWorker _worker;
    private readonly VmReports _reports;
    private readonly ConnectivityMonitor _connectivity;
    private readonly StatusWriter _status;
    private readonly StartupTimes _startup;
    private readonly RepeatedFailure _failure;
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
        IAllocatorApi api, AllocatorClientOptions options, StateStore state, AssignmentWorker worker, VmReports reports,
        ConnectivityMonitor connectivity, StatusWriter status, StartupTimes startup, TimeProvider time, Random random, ILogger<PollLoop> log)
    {
        (_api, _options, _state, _worker, _reports, _connectivity) = (api, options, state, worker, reports, connectivity);
        (_status, _startup, _failure, _time, _random, _log) = (status, startup, new RepeatedFailure(time), time, random, log);
        // Set first, so that any other reporter on the VM can override it.
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
                    RecordFailure(attempt.Outcome.Result!.Why!, attempt.AttemptNumber + 1, attempt.RetryDelay);
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
                // The person may be waiting for a machine that has just rebooted; the next poll corrects the answer if needed.
                await _worker.FollowAsync(lastAnswer);
            }
            var first = PollDelay.First(_options.FirstPollWithin, _random);
            Log.Begins(_log, _options.Url, _options.Hostname, first);
            _status.Update(known => known with { NextPollAt = _time.GetUtcNow() + first });
            await Task.Delay(first, _time, stoppingToken);
            while (true)
            {
                var result = await _untilAnswered.ExecuteAsync(TryRoundAsync, stoppingToken);
                await ApplyAsync(result);
                await WaitAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>Stops polling, then sends pending reports, such as that the VM is rebooting, for a limited time.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        using var timeout = new CancellationTokenSource(LastReport, _time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            // Before the first poll the allocator does not know that the VM is running.
            if (_startedAt != 0 && _state.Token is not null)
            {
                await ReportAsync(stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
            Log.LastReportFailed(_log);
        }
        _status.Update(known => known with { NextPollAt = null, StoppedAt = _time.GetUtcNow() });
    }

    private async ValueTask<PollResult> TryRoundAsync(CancellationToken cancel)
    {
        _startedAt = _time.GetTimestamp();
        try
        {
            return await RoundAsync(cancel);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            // An unexpected error must not end the loop either.
            Log.Threw(_log, e);
            return PollResult.Failed(e.Message);
        }
    }

    private async Task<PollResult> RoundAsync(CancellationToken cancel)
    {
        _state.RetryWrites();
        if (_state.Token is null && await EnrolAsync(cancel) is { } failure)
        {
            return failure;
        }
        await ReportAsync(cancel);
        await ReportOutcomeAsync(cancel);
        var (status, result) = await PollAsync(cancel);
        if (status is HttpStatusCode.Unauthorized or HttpStatusCode.NotFound && _options.EnrolmentToken is not null)
        {
            if (!_failure.IsActive)
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
            return (null, $"the enrolment token cannot be read: {e.Message}");
        }
    }

    /// <summary>Sends pending reports; what is not acknowledged is sent again before the next poll.</summary>
    private async Task ReportAsync(CancellationToken cancel)
    {
        if (IsPostponed || _reports.Pending is not { } changes)
        {
            return;
        }
        if (await ReportAsync(changes, cancel) is HttpStatusCode.BadRequest)
        {
            // One invalid fact must not block the others, least of all that the VM is running.
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
        Postpone(reply);
        if (reply.IsSuccessful)
        {
            _reports.Acknowledge(report);
        }
        return reply.StatusCode;
    }

    private async Task ReportOutcomeAsync(CancellationToken cancel)
    {
        if (_state.Current.Outcome is not { } outcome || IsPostponed)
        {
            return;
        }
        using var reply = await _api.ReportOutcomeAsync(_options.Hostname, outcome, _state.Token!, cancel);
        cancel.ThrowIfCancellationRequested();
        Postpone(reply);
        // 400 and 409 are final: the allocator will never accept this outcome.
        if (reply.IsSuccessful || reply.StatusCode is HttpStatusCode.Conflict or HttpStatusCode.BadRequest)
        {
            Log.Reported(_log, outcome.Outcome, outcome.Generation, (int)reply.StatusCode!);
            _state.Update(persisted => persisted.Outcome == outcome ? persisted with { Outcome = null } : persisted);
        }
        if (reply.IsSuccessful && outcome.Outcome == Outcome.Failed)
        {
            // The allocator sets the status of a VM that failed to error.
            var error = new VmReport(VmStatus.Error);
            _reports.Report(error);
            _reports.Acknowledge(error);
        }
    }

    /// <summary>Postpones reports. The database may be down while polls are still answered, so polls continue.</summary>
    private void Postpone(IApiResponse reply)
    {
        if (!reply.IsSuccessful && PollResult.ReadRetryAfter(reply, _time.GetUtcNow()) is { } wait)
        {
            (_refusedAt, _retryAfter) = (_time.GetTimestamp(), PollDelay.RetryAfter(wait));
        }
    }

    /// <summary>Gets whether reports are postponed, by the monotonic clock, since the time of day may jump.</summary>
    private bool IsPostponed => _time.GetElapsedTime(_refusedAt) < _retryAfter;

    private void RecordFailure(string why, int failedPolls, TimeSpan delay)
    {
        if (_failure.ShouldLog(why))
        {
            Log.Failed(_log, why, failedPolls, delay);
        }
        var now = _time.GetUtcNow();
        _status.Update(known => known with
        {
            PolledAt = now, FailedPolls = failedPolls, LastFailure = new PollFailure(now, why), NextPollAt = now + delay,
        });
        _connectivity.RecordFailure();
    }

    private async Task ApplyAsync(PollResult result)
    {
        _connectivity.RecordAnswer();
        _startup.RecordAnswer();
        if (_failure.End())
        {
            Log.AnsweredAgain(_log);
        }
        _maxAge = PollDelay.MaxAge(result.MaxAge);
        _interval = PollDelay.Next(_maxAge, _random);
        var now = _time.GetUtcNow();
        _status.Update(known => known with
        {
            PolledAt = now, AnsweredAt = now, FailedPolls = 0, Interval = _maxAge, NextPollAt = now + UntilDue,
        });
        var (answer, etag) = (result.Answer!, result.ETag);
        if (etag != _state.Current.ETag || answer != _state.Current.Answer)
        {
            Log.Answered(_log, answer.State, answer.Generation);
            _state.Update(persisted => persisted with { ETag = etag, Answer = answer });
        }
        await _worker.FollowAsync(answer);
    }

    /// <summary>Gets the time until the next poll, which counts from the start of the last one.</summary>
    private TimeSpan UntilDue => _interval - _time.GetElapsedTime(_startedAt);

    /// <summary>Waits until the next poll is due, or there is an outcome to report.</summary>
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
        [LoggerMessage(Level = LogLevel.Information, Message = "Polling {Url} as {Hostname}; first poll in {Delay}")]
        public static partial void Begins(ILogger log, Uri url, string hostname, TimeSpan delay);

        [LoggerMessage(Level = LogLevel.Information, Message = "Enrolled as {Hostname} in pool {Pool}")]
        public static partial void Enrolled(ILogger log, string hostname, string pool);

        [LoggerMessage(Level = LogLevel.Warning, Message = "The poll returned {Status}; enrolling again")]
        public static partial void EnrolsAgain(ILogger log, int status);

        [LoggerMessage(Level = LogLevel.Information, Message = "This VM is {State} in generation {Generation}")]
        public static partial void Answered(ILogger log, VmState state, long generation);

        [LoggerMessage(Level = LogLevel.Information, Message = "Reported outcome {Outcome} of generation {Generation} ({Status})")]
        public static partial void Reported(ILogger log, Outcome? outcome, long? generation, int status);

        [LoggerMessage(Level = LogLevel.Error, Message = "The allocator rejected this report: {Report}")]
        public static partial void Refused(ILogger log, VmReport report);

        [LoggerMessage(Level = LogLevel.Warning, Message = "The last report did not arrive in time")]
        public static partial void LastReportFailed(ILogger log);

        [LoggerMessage(Level = LogLevel.Error, Message = "Unexpected error while polling")]
        public static partial void Threw(ILogger log, Exception e);

        [LoggerMessage(Level = LogLevel.Warning,
            Message = "Poll failed ({FailedPolls} in a row): {Why}. Keeping the last known answer; retrying in {Delay}")]
        public static partial void Failed(ILogger log, string why, int failedPolls, TimeSpan delay);

        [LoggerMessage(Level = LogLevel.Information, Message = "Polls are answered again")]
        public static partial void AnsweredAgain(ILogger log);
    }
}
