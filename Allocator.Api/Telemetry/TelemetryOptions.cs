using Allocator.Api.Settings;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Telemetry;

/// <summary>The section <c>Telemetry</c> of the configuration.</summary>
internal sealed class TelemetryOptions
{
    public const string Section = "Telemetry";

    /// <summary>
    /// The port that answers <c>/metrics</c>, besides those that answer everything; 1–65,535. 0: every port answers it.
    /// </summary>
    public int MetricsPort { get; set; }

    internal sealed class Validator : IValidateOptions<TelemetryOptions>
    {
        public ValidateOptionsResult Validate(string? name, TelemetryOptions options)
        {
            var problems = new SettingProblems(Section);
            problems.Require(options.MetricsPort is >= 0 and <= 65_535, nameof(MetricsPort), options.MetricsPort, "0 to 65,535");
            return problems.Result;
        }
    }
}
