namespace Allocator.Polling;

/// <summary>
/// Calculates when to poll next. Pure functions, all of them random: VMs that were started or refused together do not come
/// back together.
/// </summary>
internal static class PollDelay
{
    /// <summary>The max-age assumed for a response without one.</summary>
    public static readonly TimeSpan DefaultMaxAge = TimeSpan.FromSeconds(15);

    /// <summary>The maximum backoff of failing polls.</summary>
    public static readonly TimeSpan MaxBackoff = TimeSpan.FromMinutes(2);

    /// <summary>The maximum Retry-After: a mistake of a server's clock or of an admin must not stop polls for a day.</summary>
    public static readonly TimeSpan MaxRetryAfter = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan MaxAgeFloor = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxAgeLimit = TimeSpan.FromMinutes(5);

    /// <summary>Returns the server's max-age, limited to a sensible range.</summary>
    public static TimeSpan MaxAge(TimeSpan? received) =>
        received is not { } maxAge ? DefaultMaxAge
        : maxAge < MaxAgeFloor ? MaxAgeFloor
        : maxAge > MaxAgeLimit ? MaxAgeLimit
        : maxAge;

    /// <summary>Returns the time from the start of one poll to that of the next: uniform in [max-age, 2 × max-age].</summary>
    public static TimeSpan Next(TimeSpan maxAge, Random random) => Between(maxAge, 2 * maxAge, random);

    /// <summary>Returns the time before the first poll: uniform in [0, <paramref name="within"/>].</summary>
    public static TimeSpan First(TimeSpan within, Random random) => Between(TimeSpan.Zero, within, random);

    /// <summary>
    /// Returns the delay after a failed poll: at first the interval of a steady VM, so that a recovering server is not
    /// overloaded, then twice as long each time, up to <see cref="MaxBackoff"/>. After a Retry-After the client waits
    /// <see cref="Remainder"/> too, so that VMs that were all given the same time come back at the steady rate.
    /// </summary>
    /// <param name="attempt">How many polls have failed before this one: 0, 1, 2, …</param>
    public static TimeSpan AfterFailure(TimeSpan maxAge, int attempt, TimeSpan? retryAfter, Random random)
    {
        var longest = maxAge * Math.Pow(2, Math.Min(attempt, 20) + 1);
        longest = longest < MaxBackoff ? longest : MaxBackoff;
        var backoff = Between(longest / 2, longest, random);
        if (retryAfter is not { } requested)
        {
            return backoff;
        }
        var wait = RetryAfter(requested);
        return wait > backoff ? wait + Remainder(maxAge, random) : backoff;
    }

    /// <summary>
    /// Returns the time from a random moment to the next poll of a steady VM: the remainder of an interval that is uniform
    /// in [max-age, 2 × max-age]. A fleet that starts with this delay polls at its steady rate from the first second.
    /// </summary>
    public static TimeSpan Remainder(TimeSpan maxAge, Random random)
    {
        var share = random.NextDouble();
        return maxAge * (share < 2.0 / 3 ? 1.5 * share : 2 - Math.Sqrt(3 * (1 - share)));
    }

    /// <summary>Limits a Retry-After to <see cref="MaxRetryAfter"/>.</summary>
    public static TimeSpan RetryAfter(TimeSpan requested) => requested < MaxRetryAfter ? requested : MaxRetryAfter;

    private static TimeSpan Between(TimeSpan min, TimeSpan max, Random random) =>
        min + ((max - min) * random.NextDouble());
}
