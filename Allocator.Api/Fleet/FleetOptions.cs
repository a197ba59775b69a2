using Allocator.Api.Settings;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Fleet;

/// <summary>The section <c>Fleet</c> of the configuration.</summary>
internal sealed class FleetOptions
{
    public const string Section = "Fleet";

    /// <summary>How often the replica asks the database what changed; 10 ms – 10 s.</summary>
    public TimeSpan FeedInterval { get; set; } = TimeSpan.FromMilliseconds(400);

    /// <summary>How many VMs may be read from the database at once because this replica does not know them well enough; 1–50.</summary>
    public int ReadThroughConcurrency { get; set; } = 2;

    /// <summary>How long the answer to such a read is remembered, so that a VM cannot cause one with every poll; 0.1 s – 1 min.</summary>
    public TimeSpan ReadThroughMemory { get; set; } = TimeSpan.FromSeconds(2);

    internal sealed class Validator : IValidateOptions<FleetOptions>
    {
        public ValidateOptionsResult Validate(string? name, FleetOptions options)
        {
            var problems = new SettingProblems(Section);
            problems.RequireBetween(nameof(FeedInterval), options.FeedInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromSeconds(10));
            problems.Require(options.ReadThroughConcurrency is >= 1 and <= 50, nameof(ReadThroughConcurrency),
                options.ReadThroughConcurrency, "1 to 50");
            problems.RequireBetween(nameof(ReadThroughMemory), options.ReadThroughMemory, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(1));
            return problems.Result;
        }
    }
}
