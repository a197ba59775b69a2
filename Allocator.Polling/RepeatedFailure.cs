namespace Allocator.Polling;

/// <summary>What is wrong at the moment, so that it is told when it begins or changes, and else seldom.</summary>
internal sealed class RepeatedFailure(TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromHours(1);

    private string? _why;
    private long _toldAt;

    /// <summary>Whether there is any.</summary>
    public bool Is => _why is not null;

    /// <returns>Whether it is time to tell it.</returns>
    public bool IsNews(string why)
    {
        if (why == _why && time.GetElapsedTime(_toldAt) < Pause)
        {
            return false;
        }
        (_why, _toldAt) = (why, time.GetTimestamp());
        return true;
    }

    /// <returns>Whether there was any until now.</returns>
    public bool End()
    {
        var was = Is;
        _why = null;
        return was;
    }
}
