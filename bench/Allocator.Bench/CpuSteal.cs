using System.Globalization;

namespace Allocator.Bench;

/// <summary>
/// Measures the share of processor time that the host gave to other machines since this object was created (<c>steal</c> in <c>/proc/stat</c>).
/// Above a few percent, times and rates are not comparable.
/// </summary>
internal sealed class CpuSteal
{
    /// <summary>The share above which figures are not comparable.</summary>
    public const double Tolerable = 0.03;

    private readonly (double Stolen, double All) _before = Read();

    /// <summary>Gets the share of all cores.</summary>
    public double Share
    {
        get
        {
            var (stolen, all) = Read();
            return (stolen - _before.Stolen) / Math.Max(1, all - _before.All);
        }
    }

    public override string ToString() => Share.ToString("0.0 %", CultureInfo.InvariantCulture);

    private static (double Stolen, double All) Read()
    {
        // cpu user nice system idle iowait irq softirq steal guest guest_nice; guests are counted in user too.
        var ticks = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..9]
            .Select(text => double.Parse(text, CultureInfo.InvariantCulture)).ToArray();
        return (ticks[7], ticks.Sum());
    }
}
