using System.Globalization;

namespace Allocator.Bench;

/// <summary>Latencies of repeated operations; adding is thread-safe.</summary>
internal sealed class Latencies
{
    private readonly List<double> _milliseconds = [];

    public int Count
    {
        get
        {
            lock (_milliseconds)
            {
                return _milliseconds.Count;
            }
        }
    }

    public void Add(TimeSpan latency)
    {
        lock (_milliseconds)
        {
            _milliseconds.Add(latency.TotalMilliseconds);
        }
    }

    /// <summary>Returns the percentile in milliseconds.</summary>
    public double Percentile(double share)
    {
        lock (_milliseconds)
        {
            return _milliseconds.Percentile(share);
        }
    }

    /// <summary>Returns the median and the 99th percentile, as a table shows them.</summary>
    public override string ToString() => Count == 0
        ? "–"
        : string.Create(CultureInfo.InvariantCulture, $"{Text(Percentile(0.5))} / {Text(Percentile(0.99))} ms");

    private static string Text(double milliseconds) =>
        milliseconds.ToString(milliseconds < 10 ? "0.00" : milliseconds < 100 ? "0.0" : "#,0", CultureInfo.InvariantCulture);
}
