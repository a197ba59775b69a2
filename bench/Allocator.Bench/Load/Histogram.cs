using System.Diagnostics;

namespace Allocator.Bench.Load;

/// <summary>Latencies in buckets of 10 µs up to 20 s: exact enough for p99.9, and cheap to update.</summary>
internal sealed class Histogram
{
    private const int Class = 10;
    private const int Classes = 2_000_000;

    private readonly int[] _classes = new int[Classes];

    public long Count { get; private set; }

    public void Add(long from, long to)
    {
        var microseconds = (to - from) * 1_000_000 / Stopwatch.Frequency;
        _classes[Math.Clamp(microseconds / Class, 0, _classes.Length - 1)]++;
        Count++;
    }

    /// <summary>Returns the percentile in milliseconds.</summary>
    public double Percentile(double percent)
    {
        var rank = (long)Math.Ceiling(Count * percent / 100);
        long seen = 0;
        for (var i = 0; i < _classes.Length; i++)
        {
            seen += _classes[i];
            if (seen >= rank && seen > 0)
            {
                return (i + 1) * Class / 1000.0;
            }
        }
        return double.NaN;
    }
}
