using Microsoft.Extensions.Time.Testing;

namespace Allocator.Tests.Client;

/// <summary>Fake time that knows whether anybody waits for it to pass.</summary>
internal class AwaitedTime : FakeTimeProvider
{
    private int _waiting;

    /// <summary>False while the client works: were time to pass then, its polls would come late.</summary>
    public bool IsAwaited => Volatile.Read(ref _waiting) > 0;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this);
        // It may fire before it is known what it is.
        timer.Inner = base.CreateTimer(
            s =>
            {
                timer.Set(period > TimeSpan.Zero);
                callback(s);
            },
            state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class Timer(AwaitedTime time) : ITimer
    {
        private int _isSet;

        public ITimer Inner { get; set; } = null!;

        public void Set(bool isSet)
        {
            if (Interlocked.Exchange(ref _isSet, isSet ? 1 : 0) is var wasSet && wasSet != (isSet ? 1 : 0))
            {
                Interlocked.Add(ref time._waiting, isSet ? 1 : -1);
            }
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Set(dueTime >= TimeSpan.Zero);
            return Inner.Change(dueTime, period);
        }

        public void Dispose()
        {
            Set(false);
            Inner.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            Set(false);
            return Inner.DisposeAsync();
        }
    }
}
