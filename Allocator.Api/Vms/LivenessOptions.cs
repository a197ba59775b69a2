using Allocator.Api.Settings;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Vms;

/// <summary>The section <c>Liveness</c> of the configuration: how it is noticed that a VM is gone.</summary>
internal sealed class LivenessOptions
{
    public const string Section = "Liveness";

    /// <summary>A VM's polls are written at most this often; 10 ms – 10 min. Raise it for very large fleets.</summary>
    public TimeSpan Resolution { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How often what was noted is written, in bulk; 10 ms – 1 min. Often, since polls wait for a large write on
    /// the same processor.
    /// </summary>
    public TimeSpan FlushInterval { get; set; } = TimeSpan.FromMilliseconds(50);

    /// <summary>A VM is lost after so long without a poll; 1 s – 1 day, and at least twice <see cref="Resolution"/>.</summary>
    public TimeSpan LostAfter { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>How often overdue deliveries and lost VMs are looked for; 10 ms – 10 min.</summary>
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromSeconds(5);

    internal sealed class Validator : IValidateOptions<LivenessOptions>
    {
        public ValidateOptionsResult Validate(string? name, LivenessOptions options)
        {
            var problems = new SettingProblems(Section);
            problems.RequireBetween(nameof(Resolution), options.Resolution, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(10));
            problems.RequireBetween(nameof(FlushInterval), options.FlushInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(1));
            problems.RequireBetween(nameof(LostAfter), options.LostAfter, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1));
            problems.Require(options.LostAfter >= 2 * options.Resolution, nameof(LostAfter), options.LostAfter,
                $"at least twice Liveness:Resolution ({options.Resolution})");
            problems.RequireBetween(nameof(SweepInterval), options.SweepInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(10));
            return problems.Result;
        }
    }
}
