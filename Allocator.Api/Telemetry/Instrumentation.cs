using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Allocator.Api.Telemetry;

/// <summary>Holds what all metrics and spans of this program share.</summary>
internal static class Instrumentation
{
    /// <summary>The name of the meter and of the activity source.</summary>
    public const string Name = "Allocator";

    public static readonly ActivitySource Spans = new(Name);

    /// <summary>The buckets for durations of queries and requests.</summary>
    public static readonly InstrumentAdvice<double> Short = Buckets(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10);

    /// <summary>The buckets for people's waiting times.</summary>
    public static readonly InstrumentAdvice<double> Long = Buckets(0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 120, 300, 900, 3600);

    private static InstrumentAdvice<double> Buckets(params double[] seconds) => new() { HistogramBucketBoundaries = seconds };
}
