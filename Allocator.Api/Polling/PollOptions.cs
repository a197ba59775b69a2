using Allocator.Api.Settings;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Polling;

/// <summary>The section <c>Polls</c> of the configuration: how often VMs are told to ask.</summary>
internal sealed class PollOptions
{
    public const string Section = "Polls";

    /// <summary>The usual max-age; a VM polls at random between once and twice this; 1 s – 5 min.</summary>
    public TimeSpan MaxAge { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>How many polls per second the free VMs of a pool are to make together, so that the next person waits briefly; 1–1,000.</summary>
    public int PickupsPerSecond { get; set; } = 4;

    /// <summary>The max-age of free VMs in a rush; 1 s – 5 min.</summary>
    public TimeSpan RushMaxAge { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>So many requests in the last minute make a rush; 1–1,000,000.</summary>
    public int RushRequestsPerMinute { get; set; } = 10;

    /// <summary>What the free VMs of one pool may cost in a rush, in polls per second; 1–1,000,000.</summary>
    public int RushPollsPerSecond { get; set; } = 2_000;

    internal sealed class Validator : IValidateOptions<PollOptions>
    {
        public ValidateOptionsResult Validate(string? name, PollOptions options)
        {
            var problems = new SettingProblems(Section);
            problems.RequireBetween(nameof(MaxAge), options.MaxAge, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
            problems.RequireBetween(nameof(RushMaxAge), options.RushMaxAge, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
            problems.Require(options.PickupsPerSecond is >= 1 and <= 1_000, nameof(PickupsPerSecond), options.PickupsPerSecond, "1 to 1,000");
            problems.Require(options.RushRequestsPerMinute is >= 1 and <= 1_000_000, nameof(RushRequestsPerMinute),
                options.RushRequestsPerMinute, "1 to 1,000,000");
            problems.Require(options.RushPollsPerSecond is >= 1 and <= 1_000_000, nameof(RushPollsPerSecond),
                options.RushPollsPerSecond, "1 to 1,000,000");
            return problems.Result;
        }
    }
}
