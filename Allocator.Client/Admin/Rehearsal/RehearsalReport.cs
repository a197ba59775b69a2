using System.Globalization;
using System.Text.Json.Serialization;
using Spectre.Console;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>How long something took, in seconds: half of them at most <paramref name="P50"/>, and so on.</summary>
internal sealed record Quantiles(double P50, double P95, double P99, double Longest)
{
    public static Quantiles? Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? null : new Quantiles(At(0.50), At(0.95), At(0.99), sorted[^1]);

        double At(double share) => sorted[(int)Math.Ceiling(share * sorted.Length) - 1];
    }
}

/// <summary>The database server's connections, whoever has them.</summary>
/// <param name="During">At most.</param>
/// <param name="Max">The server's setting.</param>
/// <param name="Budget">What all replicas may take together.</param>
internal sealed record ConnectionsSeen(int? Before, int? During, int? Max, int? Replicas, int? Budget);

/// <summary>What it cost the machine that played it.</summary>
/// <param name="LateSeconds">How late a timer came, at most. Above a second the figures are this machine's, not the allocator's.</param>
internal sealed record Effort(double CpuSeconds, double PeakMemoryMegabytes, double LateSeconds);

/// <summary>How a rehearsal went, with all figures; times in seconds.</summary>
/// <param name="Pickup">From a person's request until their VM was told, where one was free.</param>
/// <param name="Waited">The same where none was free, and somebody had to give one back first.</param>
/// <param name="WaitedVisits">How often none was free.</param>
/// <param name="Connect">From a person's request until they were shown where to connect.</param>
/// <param name="Poll">How long the answer to a poll took.</param>
/// <param name="Page">How long the answer to a person's request took.</param>
/// <param name="NotModifiedShare">Of the polls that were answered.</param>
/// <param name="Failures">Requests that were not answered as they should, by what was asked and what went wrong.</param>
internal sealed record RehearsalReport(
    bool Passed,
    Uri Url,
    string Pool,
    DateTime StartedAt,
    double Seconds,
    int Vms,
    int People,
    int Visits,
    double ArrivalSeconds,
    double StaySeconds,
    IReadOnlyList<RehearsalCheck> Findings,
    Quantiles? Pickup,
    Quantiles? Waited,
    int WaitedVisits,
    Quantiles? Connect,
    Quantiles? Poll,
    Quantiles? Page,
    int Polls,
    double NotModifiedShare,
    int Requests,
    double RequestsPerSecond,
    int PeakRequestsPerSecond,
    IReadOnlyDictionary<string, int> Failures,
    ConnectionsSeen Connections,
    Effort Effort)
{
    public void Write(IAnsiConsole terminal)
    {
        terminal.WriteLine();
        foreach (var finding in Findings)
        {
            terminal.Write(new Text(finding.Passed ? "PASS" : "FAIL", new Style(finding.Passed ? Color.Green : Color.Red, decoration: Decoration.Bold)));
            terminal.WriteLine($"  {finding.Text}");
            foreach (var example in finding.Examples)
            {
                terminal.WriteLine($"        {example}");
            }
        }
        terminal.WriteLine();
        foreach (var (name, value) in Figures())
        {
            terminal.WriteLine($"{name,-32}{value}");
        }
        terminal.WriteLine();
        if (Effort.LateSeconds > 1)
        {
            terminal.WriteLine(Invariant($"This machine was too busy to play so many: its timers came up to {Effort.LateSeconds:0.0} s late, and the times above are its own."));
        }
        terminal.Write(new Text(Passed ? "PASS" : "FAIL", new Style(Passed ? Color.Green : Color.Red, decoration: Decoration.Bold)));
        terminal.WriteLine(Invariant($"  {Vms:N0} {(Vms == 1 ? "VM" : "VMs")}, {People:N0} {(People == 1 ? "person" : "people")}, {TimeSpan.FromSeconds(Math.Round(Seconds)):h\\:mm\\:ss}: ") + (Passed ? "everything went as it should." : "not everything went as it should; see above."));
    }

    private IEnumerable<(string Name, string Value)> Figures()
    {
        yield return ("From the click to a free VM", Times(Pickup));
        if (WaitedVisits > 0)
        {
            yield return (Invariant($"… when none was free ({WaitedVisits:N0} ×)"), Times(Waited));
        }
        yield return ("From the click to the desktop", Times(Connect));
        yield return ("An answer to a VM's poll", Times(Poll));
        yield return ("An answer to a person's page", Times(Page));
        yield return ("Polls", Invariant($"{Polls:N0}, of which {NotModifiedShare:P1} were answered with 304"));
        yield return ("Requests", Invariant($"{Requests:N0}: {RequestsPerSecond:N0} a second, {PeakRequestsPerSecond:N0} at most"));
        yield return ("Requests that failed", Failures.Count == 0 ? "none" : string.Join(", ", Failures.Select(kind => Invariant($"{kind.Value:N0} × {kind.Key}"))));
        yield return ("Database connections", Invariant($"{Connections.Before} before, {Connections.During} at most, of {Connections.Max}; {Connections.Replicas} replicas may take {Connections.Budget}"));
        yield return ("This machine", Invariant($"{Effort.CpuSeconds:N0} s of CPU, {Effort.PeakMemoryMegabytes:N0} MB"));
    }

    private static string Times(Quantiles? took) => took is null ? "never"
        : Invariant($"p50 {Time(took.P50)}, p95 {Time(took.P95)}, p99 {Time(took.P99)}, longest {Time(took.Longest)}");

    private static string Time(double seconds) => seconds < 0.1 ? Invariant($"{seconds * 1000:0.0} ms") : Invariant($"{seconds:0.0} s");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Compile-time JSON for the report.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(RehearsalReport))]
internal sealed partial class RehearsalJson : JsonSerializerContext;
