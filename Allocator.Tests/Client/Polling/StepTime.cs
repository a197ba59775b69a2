using System.Diagnostics;

namespace Allocator.Tests.Client.Polling;

/// <summary>
/// Time for many clients at once. It passes in steps: all timers that are due by the end of a step fire together, and the
/// next step begins when every client waits for its next timer again. The result does not depend on the machine.
/// </summary>
internal sealed class StepTime(int clients, TimeSpan step) : TimeProvider
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(1);

    private readonly PriorityQueue<StepTimer, long> _due = new();
    private long _now;
    private int _waiting;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>Gets the time elapsed since the start.</summary>
    public TimeSpan Passed => TimeSpan.FromTicks(GetTimestamp());

    public override long GetTimestamp() => Interlocked.Read(ref _now);

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch + Passed;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new StepTimer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Lets this much time pass.</summary>
    public void Pass(TimeSpan time)
    {
        for (var end = Passed + time; Passed < end;)
        {
            WaitUntilAllWait();
            List<StepTimer> fired = [];
            lock (_due)
            {
                Interlocked.Add(ref _now, step.Ticks);
                while (_due.TryPeek(out var timer, out var due) && due <= _now)
                {
                    _due.Dequeue();
                    if (timer.Take(due))
                    {
                        fired.Add(timer);
                    }
                }
            }
            fired.ForEach(timer => timer.Fire());
        }
        WaitUntilAllWait();
    }

    private void WaitUntilAllWait()
    {
        var started = Stopwatch.GetTimestamp();
        lock (_due)
        {
            while (_waiting != clients)
            {
                if (!Monitor.Wait(_due, Timeout) && _waiting != clients)
                {
                    throw new TimeoutException($"After {Stopwatch.GetElapsedTime(started)} {_waiting} of {clients} clients wait.");
                }
            }
        }
    }

    private void Count(int change)
    {
        _waiting += change;
        if (_waiting == clients)
        {
            Monitor.PulseAll(_due);
        }
    }

    /// <summary>A timer that fires once.</summary>
    private sealed class StepTimer(StepTime time, Action fire) : ITimer
    {
        private long? _dueAt;

        public void Fire() => fire();

        /// <summary>Returns whether this is the latest time to which the timer was set.</summary>
        public bool Take(long due)
        {
            if (_dueAt != due)
            {
                return false;
            }
            Set(null);
            return true;
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._due)
            {
                Set(dueTime < TimeSpan.Zero ? null : time._now + dueTime.Ticks);
                if (_dueAt is { } due)
                {
                    time._due.Enqueue(this, due);
                }
            }
            return true;
        }

        public void Dispose()
        {
            lock (time._due)
            {
                Set(null);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void Set(long? due)
        {
            time.Count((due is null ? 0 : 1) - (_dueAt is null ? 0 : 1));
            _dueAt = due;
        }
    }
}
