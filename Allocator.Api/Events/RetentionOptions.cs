using Allocator.Api.Settings;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Events;

/// <summary>The section <c>Retention</c> of the configuration: how long what is over can still be told.</summary>
internal sealed class RetentionOptions
{
    public const string Section = "Retention";

    /// <summary>How long events are kept; 1 hour – 3,660 days.</summary>
    public TimeSpan Events { get; set; } = TimeSpan.FromDays(365);

    /// <summary>How long assignments are kept after their end, and with them who it was; 1 hour – 3,660 days.</summary>
    public TimeSpan EndedAssignments { get; set; } = TimeSpan.FromDays(90);

    /// <summary>How long enrolment tokens that have expired can still be listed; 1 hour – 3,660 days.</summary>
    public TimeSpan EnrolmentTokens { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How many rows of each kind are removed at once, in one turn of the sweep; 1–100,000.</summary>
    public int BatchSize { get; set; } = 1_000;

    internal sealed class Validator : IValidateOptions<RetentionOptions>
    {
        public ValidateOptionsResult Validate(string? name, RetentionOptions options)
        {
            var problems = new SettingProblems(Section);
            problems.RequireBetween(nameof(Events), options.Events, TimeSpan.FromHours(1), TimeSpan.FromDays(3_660));
            problems.RequireBetween(nameof(EndedAssignments), options.EndedAssignments, TimeSpan.FromHours(1), TimeSpan.FromDays(3_660));
            problems.RequireBetween(nameof(EnrolmentTokens), options.EnrolmentTokens, TimeSpan.FromHours(1), TimeSpan.FromDays(3_660));
            problems.Require(options.BatchSize is >= 1 and <= 100_000, nameof(BatchSize), options.BatchSize, "1 to 100,000");
            return problems.Result;
        }
    }
}
