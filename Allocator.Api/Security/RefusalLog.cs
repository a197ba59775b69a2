namespace Allocator.Api.Security;

/// <summary>
/// Counts the requests of machines that were refused for their tokens, and logs their number at most once a minute. A
/// line for each would let anybody fill the log.
/// </summary>
internal sealed partial class RefusalLog : IDisposable
{
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private readonly ILogger<RefusalLog> _log;
    private readonly ITimer _timer;
    private long _count;

    public RefusalLog(TimeProvider time, ILogger<RefusalLog> log)
    {
        _log = log;
        _timer = time.CreateTimer(_ => Write(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Add()
    {
        if (Interlocked.Increment(ref _count) == 1)
        {
            _timer.Change(Interval, Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Write() => Log.Refused(_log, Interlocked.Exchange(ref _count, 0));

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "Refused {Count} requests with a missing or wrong token within a minute")]
        public static partial void Refused(ILogger log, long count);
    }
}
