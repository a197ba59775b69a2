namespace Allocator.Polling;

/// <summary>Tracks a failure so that it is logged when it begins or changes, and then once an hour.</summary>
internal sealed class RepeatedFailure(TimeProvider time)
{
    private static readonly TimeSpan LogInterval = TimeSpan.FromHours(1);

    private string? _why;
    private long _loggedAt;

    public bool IsActive => _why is not null;

    /// <returns>True if the failure should be logged now.</returns>
    public bool ShouldLog(string why)
    {
        if (why == _why && time.GetElapsedTime(_loggedAt) < LogInterval)
        {
            return false;
        }
        (_why, _loggedAt) = (why, time.GetTimestamp());
        return true;
    }

    /// <returns>True if there was a failure until now.</returns>
    public bool End()
    {
        var wasActive = IsActive;
        _why = null;
        return wasActive;
    }
}
