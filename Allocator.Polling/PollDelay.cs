namespace Allocator.Polling;

/// <summary>
/// When to poll next. Pure, and random in every case: VMs that were started together, or turned away together, do not
/// come back together.
/// </summary>
internal static class PollDelay
{
    /// <summary>What a reply without a max-age means.</summary>
    public static readonly TimeSpan DefaultMaxAge = TimeSpan.FromSeconds(15);

    /// <summary>The longest a failing poll backs off.</summary>
    public static readonly TimeSpan MaxBackoff = TimeSpan.FromMinutes(2);

    /// <summary>The longest a server can send a VM away: a slip of its clock or of an admin must not cost a day.</summary>
    public static readonly TimeSpan MaxRetryAfter = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan MaxAgeFloor = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxAgeLimit = TimeSpan.FromMinutes(5);

    /// <summary>The max-age to go by, whatever the server said.</summary>
    public static TimeSpan MaxAge(TimeSpan? said) =>
        said is not { } maxAge ? DefaultMaxAge
        : maxAge < MaxAgeFloor ? MaxAgeFloor
        : maxAge > MaxAgeLimit ? MaxAgeLimit
        : maxAge;

    /// <summary>From the start of one poll to the start of the next: uniform in [max-age, 2 × max-age].</summary>
    public static TimeSpan Next(TimeSpan maxAge, Random random) => Between(maxAge, 2 * maxAge, random);

    /// <summary>Before the first poll: uniform in [0, <paramref name="within"/>].</summary>
    public static TimeSpan First(TimeSpan within, Random random) => Between(TimeSpan.Zero, within, random);

    /// <summary>
    /// After a poll that failed: no sooner than a steady VM would poll, so that a server that comes back is not overrun,
    /// then twice as long each time, and at most <see cref="MaxBackoff"/>. A Retry-After is waited out, and then
    /// <see cref="Rest"/>: VMs that were all told the same moment come back at the steady rate, not as a herd.
    /// </summary>
    /// <param name="attempt">How many polls have failed before this one: 0, 1, 2, …</param>
    public static TimeSpan AfterFailure(TimeSpan maxAge, int attempt, TimeSpan? retryAfter, Random random)
    {
        var longest = maxAge * Math.Pow(2, Math.Min(attempt, 20) + 1);
        longest = longest < MaxBackoff ? longest : MaxBackoff;
        var backoff = Between(longest / 2, longest, random);
        if (retryAfter is not { } said)
        {
            return backoff;
        }
        var wait = RetryAfter(said);
        return wait > backoff ? wait + Rest(maxAge, random) : backoff;
    }

    /// <summary>
    /// From any moment to the next poll of a steady VM: what is then left of an interval that is uniform in
    /// [max-age, 2 × max-age]. A fleet that begins with this polls at its steady rate from the first second.
    /// </summary>
    public static TimeSpan Rest(TimeSpan maxAge, Random random)
    {
        var share = random.NextDouble();
        return maxAge * (share < 2.0 / 3 ? 1.5 * share : 2 - Math.Sqrt(3 * (1 - share)));
    }

    /// <summary>The Retry-After to go by, whatever the server said.</summary>
    public static TimeSpan RetryAfter(TimeSpan said) => said < MaxRetryAfter ? said : MaxRetryAfter;

    private static TimeSpan Between(TimeSpan least, TimeSpan most, Random random) =>
        least + ((most - least) * random.NextDouble());
}
