using Allocator.Api.Settings;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Assignments;

/// <summary>The section <c>Delivery</c> of the configuration: how long a VM may take with a person before the person gets another.</summary>
internal sealed class DeliveryOptions
{
    public const string Section = "Delivery";

    /// <summary>From the binding until the VM has acknowledged it; 1 s – 1 hour.</summary>
    public TimeSpan DeliveryTimeout { get; set; } = TimeSpan.FromSeconds(90);

    /// <summary>From the binding until the VM has said whether the person can connect; 1 s – 1 day. Longer than any hook may run.</summary>
    public TimeSpan OutcomeTimeout { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How many VMs may fail to take a person before the assignment ends as failed; 1–100.</summary>
    public int MaxAttempts { get; set; } = 3;

    internal sealed class Validator : IValidateOptions<DeliveryOptions>
    {
        public ValidateOptionsResult Validate(string? name, DeliveryOptions options)
        {
            var problems = new SettingProblems(Section);
            problems.RequireBetween(nameof(DeliveryTimeout), options.DeliveryTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
            problems.RequireBetween(nameof(OutcomeTimeout), options.OutcomeTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1));
            problems.Require(options.MaxAttempts is >= 1 and <= 100, nameof(MaxAttempts), options.MaxAttempts, "1 to 100");
            return problems.Result;
        }
    }
}
