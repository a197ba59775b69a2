using Allocator.Api.Settings;

namespace Allocator.Api.Health;

/// <summary>The section <c>Health</c> of the configuration.</summary>
internal sealed class HealthOptions
{
    public const string Section = "Health";

    [Setting("How long a stopping replica keeps serving after it reports that it is not ready. Make it longer than a load balancer "
        + "takes to notice. The container image sets `00:00:05`. Requests in progress then have `DOTNET_SHUTDOWNTIMEOUTSECONDS` (30) to finish.",
        Min = "00:00:00", Max = "00:05:00")]
    public TimeSpan Drain { get; set; }
}
