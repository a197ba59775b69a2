namespace Allocator.Bench;

internal static class Percentiles
{
    public static double Median<T>(this IEnumerable<T> items, Func<T, double> value) => items.Select(value).Percentile(0.5);

    /// <summary>Returns the smallest value that this share of the values does not exceed, or NaN if there are none.</summary>
    public static double Percentile(this IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? double.NaN : sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)];
    }
}
