using Microsoft.Extensions.Time.Testing;

namespace Allocator.Tests.Client;

/// <summary>Fake time that knows whether a timer is waiting for it to pass.</summary>
internal class AwaitedTime : FakeTimeProvider
{
    private int _waiting;

    /// <summary>Gets whether the client waits. If time passed while the client works, its polls would be late.</summary>
    public bool IsAwaited => Volatile.Read(ref _waiting) > 0;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this);
        // The timer may fire before the variable is set.
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
