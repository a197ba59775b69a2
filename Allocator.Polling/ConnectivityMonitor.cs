using Microsoft.Extensions.Logging;

namespace Allocator.Polling;

/// <summary>Calls the handler once when contact with the allocator is lost, and once when it is restored.</summary>
internal sealed partial class ConnectivityMonitor(
    IAssignmentHandler handler, AllocatorClientOptions options, StatusWriter status, TimeProvider time, ILogger<ConnectivityMonitor> log)
        : IAsyncDisposable
{
    private long _answered = time.GetTimestamp();
    private DateTimeOffset _answeredAt = time.GetUtcNow();
    private bool _isLost;
    private CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    /// <summary>Records that a poll was answered.</summary>
    public void RecordAnswer()
    {
        if (_isLost)
        {
            var since = _answeredAt;
            Log.Found(log, since);
            status.Update(known => known with { NoContactSince = null });
            CallHandler(cancel => handler.ContactFoundAsync(since, cancel));
        }
        (_isLost, _answered, _answeredAt) = (false, time.GetTimestamp(), time.GetUtcNow());
    }

    /// <summary>Records that a poll failed.</summary>
    public void RecordFailure()
    {
        if (_isLost || time.GetElapsedTime(_answered) < options.LostContactAfter)
        {
            return;
        }
        _isLost = true;
        var since = _answeredAt;
        Log.Lost(log, since);
        status.Update(known => known with { NoContactSince = since });
        CallHandler(cancel => handler.ContactLostAsync(since, cancel));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    /// <summary>Cancels the previous call of the handler and starts the next one; polls wait for neither.</summary>
    private void CallHandler(Func<CancellationToken, Task> call)
    {
        var (former, formerStop) = (_running, _stop);
        _stop = new CancellationTokenSource();
        _running = CallHandlerAsync(former, formerStop, call, _stop.Token);
    }

    private async Task CallHandlerAsync(
        Task former, CancellationTokenSource formerStop, Func<CancellationToken, Task> call, CancellationToken cancel)
    {
        try
        {
            await formerStop.CancelAsync();
            await former;
            formerStop.Dispose();
            await call(cancel);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // The next call, or the end of the client, cancelled this one.
        }
        catch (Exception e)
        {
            Log.Threw(log, e);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "Lost contact with the allocator: no answer since {Since}")]
        public static partial void Lost(ILogger log, DateTimeOffset since);

        [LoggerMessage(Level = LogLevel.Information, Message = "The allocator answers again; the last answer before was at {Since}")]
        public static partial void Found(ILogger log, DateTimeOffset since);

        [LoggerMessage(Level = LogLevel.Error, Message = "The handler for a change of connectivity failed")]
        public static partial void Threw(ILogger log, Exception e);
    }
}
