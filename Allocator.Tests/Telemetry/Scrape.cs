using System.Globalization;

namespace Allocator.Tests.Telemetry;

/// <summary>A reply of <c>/metrics</c>, in Prometheus' text format.</summary>
internal sealed class Scrape(string text)
{
    private readonly string[] _samples = [.. text.Split('\n').Where(line => line.Length > 0 && line[0] != '#')];

    public string Text { get; } = text;

    /// <summary>Gets the names as a query writes them: those of a histogram with their suffixes.</summary>
    public IReadOnlySet<string> Names => _samples.Select(sample => sample.Split('{', ' ')[0]).ToHashSet();

    public static async Task<Scrape> OfAsync(HttpClient http) => new(await http.GetStringAsync("/metrics"));

    /// <summary>Returns the only sample of this name that has all these labels, written as in the format: <c>status="304"</c>.</summary>
    public double Value(string name, params string[] labels)
    {
        var sample =
            _samples.Single(sample => sample.Split('{', ' ')[0] == name && labels.All(label => sample.Contains(label, StringComparison.Ordinal)));
        return double.Parse(sample[(sample.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture);
    }
}
