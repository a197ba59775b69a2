namespace Allocator.Bench;

internal static class Medians
{
    public static double Median<T>(this IEnumerable<T> items, Func<T, double> value)
    {
        var sorted = items.Select(value).Order().ToArray();
        return sorted[sorted.Length / 2];
    }
}
