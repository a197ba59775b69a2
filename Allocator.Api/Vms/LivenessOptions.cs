using Allocator.Api.Settings;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Vms;

/// <summary>The section <c>Liveness</c> of the configuration: how lost VMs are detected.</summary>
internal sealed class LivenessOptions
{
    public const string Section = "Liveness";

    [Setting("The polls of a VM are written at most this often. Raise it for very large fleets.", Min = "00:00:00.01", Max = "00:10:00")]
    public TimeSpan Resolution { get; set; } = TimeSpan.FromSeconds(30);

    [Setting("The time between two bulk writes of polls. Keep it short, because a large write delays polls on the same processor.",
        Min = "00:00:00.01", Max = "00:01:00")]
    public TimeSpan FlushInterval { get; set; } = TimeSpan.FromMilliseconds(50);

    [Setting("A VM that has not polled for this time is lost. It must be at least twice `Liveness:Resolution`.",
        Min = "00:00:01", Max = "1.00:00:00")]
    public TimeSpan LostAfter { get; set; } = TimeSpan.FromMinutes(2);

    [Setting("The time between two runs of the background jobs that find overdue deliveries and lost VMs.", Min = "00:00:00.01", Max = "00:10:00")]
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromSeconds(5);

    internal sealed class Validator : IValidateOptions<LivenessOptions>
    {
        public ValidateOptionsResult Validate(string? name, LivenessOptions options)
        {
            var problems = new SettingProblems(Section);
            problems.Require(
                options.LostAfter >= 2 * options.Resolution,
                nameof(LostAfter), options.LostAfter, $"at least twice Liveness:Resolution ({options.Resolution})");
            return problems.Result;
        }
    }
}
