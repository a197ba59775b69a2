using Allocator.Api.Settings;

namespace Allocator.Api.Telemetry;

/// <summary>The section <c>Telemetry</c> of the configuration.</summary>
internal sealed class TelemetryOptions
{
    public const string Section = "Telemetry";

    [Setting("The only port that answers `/metrics`; it answers nothing else. 0: no port of its own ([metrics](observability/README.md)).",
        Min = 0, Max = 65_535)]
    public int MetricsPort { get; set; }

    [Setting("Whether, without `Telemetry:MetricsPort`, every port answers `/metrics`, and so everybody who reaches the API.")]
    public bool PublicMetrics { get; set; }
}
