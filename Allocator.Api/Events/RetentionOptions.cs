using Allocator.Api.Settings;

namespace Allocator.Api.Events;

/// <summary>The section <c>Retention</c> of the configuration: how long history is kept.</summary>
internal sealed class RetentionOptions
{
    public const string Section = "Retention";

    [Setting("How long events are kept.", Min = "01:00:00", Max = "3660.00:00:00")]
    public TimeSpan Events { get; set; } = TimeSpan.FromDays(365);

    [Setting("How long assignments, and with them the person's address, are kept after their end.", Min = "01:00:00", Max = "3660.00:00:00")]
    public TimeSpan EndedAssignments { get; set; } = TimeSpan.FromDays(90);

    [Setting("How long tokens of `POST /enrolment-tokens` are listed after they expired.", Min = "01:00:00", Max = "3660.00:00:00")]
    public TimeSpan EnrolmentTokens { get; set; } = TimeSpan.FromDays(30);

    [Setting("The number of rows of each kind that one run of the cleanup removes.", Min = 1, Max = 100_000)]
    public int BatchSize { get; set; } = 1_000;
}
