using Microsoft.Extensions.Logging;

namespace Allocator.Polling;

/// <summary>Tells the handler, once per loss, that contact with the allocator is lost, and when it is found again.</summary>
internal sealed partial class ConnectivityMonitor(
    IAssignmentHandler handler, AllocatorClientOptions options, StatusWriter status, TimeProvider time, ILogger<ConnectivityMonitor> log) : IAsyncDisposable
{
    private long _answered = time.GetTimestamp();
    private DateTimeOffset _answeredAt = time.GetUtcNow();
    private bool _isLost;
    private CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    /// <summary>A poll has brought an answer.</summary>
    public void RecordAnswer()
    {
        if (_isLost)
        {
            var since = _answeredAt;
            Log.Found(log, since);
            status.Update(known => known with { NoContactSince = null });
            Tell(cancel => handler.ContactFoundAsync(since, cancel));
        }
        (_isLost, _answered, _answeredAt) = (false, time.GetTimestamp(), time.GetUtcNow());
    }

    /// <summary>A poll has brought none.</summary>
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
        Tell(cancel => handler.ContactLostAsync(since, cancel));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    /// <summary>Stops what the handler was told before and has it hear the new word; the polls do not wait for either.</summary>
    private void Tell(Func<CancellationToken, Task> word)
    {
        var (former, formerStop) = (_running, _stop);
        _stop = new CancellationTokenSource();
        _running = TellAsync(former, formerStop, word, _stop.Token);
    }

    private async Task TellAsync(Task former, CancellationTokenSource formerStop, Func<CancellationToken, Task> word, CancellationToken cancel)
    {
        try
        {
            await formerStop.CancelAsync();
            await former;
            formerStop.Dispose();
            await word(cancel);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Over before it was done.
        }
        catch (Exception e)
        {
            Log.Threw(log, e);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "Contact with the allocator is lost: no answer since {Since}")]
        public static partial void Lost(ILogger log, DateTimeOffset since);

        [LoggerMessage(Level = LogLevel.Information, Message = "Contact with the allocator is back; it was lost since {Since}")]
        public static partial void Found(ILogger log, DateTimeOffset since);

        [LoggerMessage(Level = LogLevel.Error, Message = "What was done about the lost contact failed")]
        public static partial void Threw(ILogger log, Exception e);
    }
}
