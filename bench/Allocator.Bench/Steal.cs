using System.Globalization;

namespace Allocator.Bench;

/// <summary>
/// How much of this machine its host gave to others since this was made: <c>steal</c> in <c>/proc/stat</c>. Beyond a few
/// percent, times and rates say more of the host than of what is measured.
/// </summary>
internal sealed class Steal
{
    /// <summary>Above it, figures are not to be judged.</summary>
    public const double Tolerable = 0.03;

    private readonly (double Stolen, double All) _before = Read();

    /// <summary>Share of all cores.</summary>
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
