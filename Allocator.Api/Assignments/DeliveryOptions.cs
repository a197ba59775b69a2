using Allocator.Api.Settings;

namespace Allocator.Api.Assignments;

/// <summary>The section <c>Delivery</c> of the configuration: when a person gets another VM.</summary>
internal sealed class DeliveryOptions
{
    public const string Section = "Delivery";

    [Setting("The time in which a VM must acknowledge an assignment.", Min = "00:00:01", Max = "01:00:00")]
    public TimeSpan DeliveryTimeout { get; set; } = TimeSpan.FromSeconds(90);

    [Setting("The time in which a VM must report the outcome of an assignment. Make it longer than any hook may run.",
        Min = "00:00:01", Max = "1.00:00:00")]
    public TimeSpan OutcomeTimeout { get; set; } = TimeSpan.FromMinutes(10);

    [Setting("The number of VMs that may fail to prepare for a person before the assignment ends as failed.", Min = 1, Max = 100)]
    public int MaxAttempts { get; set; } = 3;

    [Setting("Whether a VM may offer its person a `connectUrl` without TLS, for trials in a network of your own.")]
    public bool AllowHttpConnectUrl { get; set; }
}
