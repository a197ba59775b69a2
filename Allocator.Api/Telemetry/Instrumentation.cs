using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Allocator.Api.Telemetry;

/// <summary>What the instruments and spans of this program have in common.</summary>
internal static class Instrumentation
{
    /// <summary>Of the meter and of the source of spans.</summary>
    public const string Name = "Allocator";

    public static readonly ActivitySource Spans = new(Name);

    /// <summary>For what takes the time of a query or a request.</summary>
    public static readonly InstrumentAdvice<double> Short = Buckets(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10);

    /// <summary>For what takes the time of a person who waits.</summary>
    public static readonly InstrumentAdvice<double> Long = Buckets(0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 120, 300, 900, 3600);

    private static InstrumentAdvice<double> Buckets(params double[] seconds) => new() { HistogramBucketBoundaries = seconds };
}
