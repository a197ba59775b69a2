namespace Allocator.Bench.Load;

/// <summary>What one round of load measured.</summary>
internal sealed record LoadResult(double PerSecond, long Answered, long NotModified, long Errors, Histogram Latencies);
