using Allocator.Api.Settings;

namespace Allocator.Api.Polling;

/// <summary>The section <c>Polls</c> of the configuration: how often VMs poll.</summary>
internal sealed class PollOptions
{
    public const string Section = "Polls";

    [Setting("The max-age of an answer: a VM polls after a random time between once and twice this.", Min = "00:00:01", Max = "00:05:00")]
    public TimeSpan MaxAge { get; set; } = TimeSpan.FromSeconds(15);

    [Setting("The polls per second that the free VMs of a pool make together, so that the next person waits briefly.", Min = 1, Max = 1_000)]
    public int PickupsPerSecond { get; set; } = 4;

    [Setting("The max-age of an answer to a free VM in a rush.", Min = "00:00:01", Max = "00:05:00")]
    public TimeSpan RushMaxAge { get; set; } = TimeSpan.FromSeconds(2);

    [Setting("The number of requests within a minute that starts a rush.", Min = 1, Max = 1_000_000)]
    public int RushRequestsPerMinute { get; set; } = 10;

    [Setting("The maximum number of polls per second that the free VMs of a pool make together in a rush.", Min = 1, Max = 1_000_000)]
    public int RushPollsPerSecond { get; set; } = 2_000;
}
