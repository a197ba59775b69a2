using Allocator.Polling;
using Xunit;

namespace Allocator.Tests.Client.Polling;

public sealed class PollDelayTests
{
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(15);

    [Fact]
    public void Delays_are_spread_evenly_between_once_and_twice_the_max_age()
    {
        var random = new Random(1);
        var delays = Enumerable.Range(0, 10_000).Select(_ => PollDelay.Next(MaxAge, random).TotalSeconds).ToArray();

        Assert.All(delays, delay => Assert.InRange(delay, 15, 30));
        // Each of ten equal parts contains a tenth of the delays, within five standard deviations (30).
        var parts = delays.GroupBy(delay => (int)((delay - 15) / 1.5)).ToDictionary(part => part.Key, part => part.Count());
        Assert.Equal(10, parts.Count);
        Assert.All(parts.Values, count => Assert.InRange(count, 850, 1150));
        Assert.InRange(delays.Average(), 22.2, 22.8);
    }

    [Fact]
    public void First_polls_are_spread_from_the_start()
    {
        var random = new Random(1);
        var delays = Enumerable.Range(0, 1_000).Select(_ => PollDelay.First(MaxAge, random).TotalSeconds).ToArray();
        Assert.InRange(delays.Min(), 0, 0.5);
        Assert.InRange(delays.Max(), 14.5, 15);
    }

    [Fact]
    public void Backoff_starts_at_the_steady_rate_and_doubles_up_to_a_maximum()
    {
        var random = new Random(1);
        for (var attempt = 0; attempt < 40; attempt++)
        {
            var most = Math.Min(30 * Math.Pow(2, attempt), 120);
            var delays = Enumerable.Range(0, 200).Select(_ => PollDelay.AfterFailure(MaxAge, attempt, null, random).TotalSeconds).ToArray();
            Assert.All(delays, delay => Assert.InRange(delay, most / 2, most));
            Assert.True(delays.Max() - delays.Min() > most * 0.45, "delays are also spread at the maximum");
        }
    }

    [Theory]
    [InlineData(60, 60, 90)]
    [InlineData(86_400, 600, 630)]
    public void Retry_after_is_limited_and_followed_by_up_to_one_interval(int seconds, int least, int most)
    {
        var random = new Random(1);
        var delays = Enumerable.Range(0, 200).Select(_ => PollDelay.AfterFailure(MaxAge, 0, TimeSpan.FromSeconds(seconds), random).TotalSeconds)
            .ToArray();
        Assert.All(delays, delay => Assert.InRange(delay, least, most));
        Assert.True(delays.Distinct().Count() > 100, "random");
    }

    [Fact]
    public void Vms_with_the_same_retry_after_return_at_the_steady_rate()
    {
        const int Vms = 10_000;
        var random = new Random(1);
        List<double> polls = [];
        for (var vm = 0; vm < Vms; vm++)
        {
            var at = PollDelay.AfterFailure(MaxAge, 0, TimeSpan.FromMinutes(1), random).TotalSeconds - 60;
            for (; at < 90; at += PollDelay.Next(MaxAge, random).TotalSeconds)
            {
                polls.Add(at);
            }
        }
        // Each period of 1.5 s, including the first, contains a fifteenth of the delays, within six standard deviations.
        var parts = polls.GroupBy(at => (int)(at / 1.5)).ToDictionary(part => part.Key, part => part.Count());
        Assert.Equal(60, parts.Count);
        Assert.All(parts.Values, count => Assert.InRange(count, 667 - 155, 667 + 155));
    }

    [Fact]
    public void Retry_after_never_shortens_the_backoff() =>
        Assert.InRange(PollDelay.AfterFailure(MaxAge, 10, TimeSpan.FromSeconds(1), new Random(1)).TotalSeconds, 60, 120);

    [Theory]
    [InlineData(null, 15)]
    [InlineData(0, 1)]
    [InlineData(-5, 1)]
    [InlineData(1, 1)]
    [InlineData(20, 20)]
    [InlineData(1_000_000, 300)]
    public void Max_age_of_a_server_is_limited_to_a_sensible_range(int? received, int seconds) =>
        Assert.Equal(seconds, PollDelay.MaxAge(received is { } s ? TimeSpan.FromSeconds(s) : null).TotalSeconds);
}
