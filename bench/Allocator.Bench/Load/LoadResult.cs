namespace Allocator.Bench.Load;

/// <summary>The results of one round of load.</summary>
internal sealed record LoadResult(double PerSecond, long Answered, long NotModified, long Errors, Histogram Latencies);
