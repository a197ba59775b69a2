using System.Globalization;
using System.Text.Json.Serialization;
using Allocator.Contracts;
using Spectre.Console;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>The distribution of a duration, in seconds.</summary>
internal sealed record Quantiles(double P50, double P95, double P99, double Longest)
{
    public static Quantiles? Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? null : new Quantiles(At(0.50), At(0.95), At(0.99), sorted[^1]);

        double At(double share) => sorted[(int)Math.Ceiling(share * sorted.Length) - 1];
    }
}

/// <summary>The connections of the database server, whichever program opened them.</summary>
/// <param name="During">The largest number during the rehearsal.</param>
/// <param name="Max">The server's <c>max_connections</c>.</param>
/// <param name="Budget">The number that all replicas together may open.</param>
internal sealed record ConnectionUse(int? Before, int? During, int? Max, int? Replicas, int? Budget);

/// <summary>What the rehearsal cost the machine that ran it.</summary>
/// <param name="LateSeconds">The largest delay of a timer. Above one second, the times measure this machine and not the allocator.</param>
internal sealed record MachineUse(double CpuSeconds, double PeakMemoryMegabytes, double LateSeconds);

/// <summary>The results and all figures of a rehearsal; durations are in seconds.</summary>
internal sealed record RehearsalReport
{
    public required bool Passed { get; init; }
    public required Uri Url { get; init; }
    public required string Pool { get; init; }
    public required DateTime StartedAt { get; init; }
    public required double Seconds { get; init; }
    public required int Vms { get; init; }
    public required int People { get; init; }
    public required int Visits { get; init; }
    public required double ArrivalSeconds { get; init; }
    public required double StaySeconds { get; init; }
    public required IReadOnlyList<RehearsalCheck> Findings { get; init; }

    /// <summary>The time from a request until a VM received the assignment, for requests made while a VM was free.</summary>
    public required Quantiles? Pickup { get; init; }

    /// <summary>The same time for requests made while no VM was free.</summary>
    public required Quantiles? Waited { get; init; }

    /// <summary>The number of requests made while no VM was free.</summary>
    public required int WaitedVisits { get; init; }

    /// <summary>The time from a request until the page showed where to connect.</summary>
    public required Quantiles? Connect { get; init; }

    /// <summary>The response time of polls.</summary>
    public required Quantiles? Poll { get; init; }

    /// <summary>The response time of people's requests.</summary>
    public required Quantiles? Page { get; init; }

    public required int Polls { get; init; }

    /// <summary>The share of answered polls whose response was a 304.</summary>
    public required double NotModifiedShare { get; init; }

    public required int Requests { get; init; }
    public required double RequestsPerSecond { get; init; }
    public required int PeakRequestsPerSecond { get; init; }

    /// <summary>The number of failed requests by kind and error.</summary>
    public required IReadOnlyDictionary<string, int> Failures { get; init; }

    public required ConnectionUse Connections { get; init; }
    public required MachineUse Effort { get; init; }

    public void Write(IAnsiConsole terminal)
    {
        terminal.WriteLine();
        foreach (var check in Findings)
        {
            WriteResult(terminal, check.Passed, check.Text);
            foreach (var example in check.Examples)
            {
                terminal.WriteLine(PlainText.MakeVisible($"        {example}"));
            }
        }
        terminal.WriteLine();
        foreach (var (name, value) in Figures())
        {
            terminal.WriteLine($"{name,-29}{value}");
        }
        terminal.WriteLine();
        if (Effort.LateSeconds > 1)
        {
            terminal.WriteLine(Invariant(
                $"This machine was too busy to simulate so many: timers were up to {Effort.LateSeconds:0.0} s late."));
            terminal.WriteLine("The times above measure this machine rather than the allocator.");
        }
        var size = Invariant($"{Vms:N0} {(Vms == 1 ? "VM" : "VMs")}, {People:N0} {(People == 1 ? "person" : "people")}");
        var result = Passed ? "all checks passed." : "some checks failed; see above.";
        WriteResult(terminal, Passed, Invariant($"{size}, {TimeSpan.FromSeconds(Math.Round(Seconds)):h\\:mm\\:ss}: {result}"));
    }

    private static void WriteResult(IAnsiConsole terminal, bool passed, string text)
    {
        terminal.Write(new Text(passed ? "PASS" : "FAIL", new Style(passed ? Color.Green : Color.Red, decoration: Decoration.Bold)));
        terminal.WriteLine(PlainText.MakeVisible($"  {text}"));
    }

    private IEnumerable<(string Name, string Value)> Figures()
    {
        yield return ("From request to VM", Format(Pickup));
        if (WaitedVisits > 0)
        {
            yield return (Invariant($"  when none was free ({WaitedVisits:N0}x)"), Format(Waited));
        }
        yield return ("From request to desktop", Format(Connect));
        yield return ("Response time of polls", Format(Poll));
        yield return ("Response time of pages", Format(Page));
        yield return ("Polls", Invariant($"{Polls:N0}, {NotModifiedShare:P1} answered with 304"));
        yield return ("Requests", Invariant($"{Requests:N0}, {RequestsPerSecond:N0} per second on average, {PeakRequestsPerSecond:N0} at peak"));
        yield return ("Failed requests", Failures.Count == 0
            ? "none"
            : string.Join(", ", Failures.Select(failure => Invariant($"{failure.Value:N0}x {failure.Key}"))));
        yield return ("Database connections", Connections.Max is null
            ? "unknown"
            : Invariant($"{Connections.Before} before, at most {Connections.During} during, server limit {Connections.Max}"));
        if (Connections.Budget is not null)
        {
            var replicas = Connections.Replicas == 1 ? "replica" : "replicas";
            yield return ("  limit of the replicas", Invariant($"{Connections.Budget} for {Connections.Replicas} {replicas}"));
        }
        yield return ("This machine", Invariant($"{Effort.CpuSeconds:N0} s of CPU time, {Effort.PeakMemoryMegabytes:N0} MB of memory"));
    }

    private static string Format(Quantiles? times) => times is null ? "no data"
        : Invariant($"p50 {Format(times.P50)}, p95 {Format(times.P95)}, p99 {Format(times.P99)}, max {Format(times.Longest)}");

    private static string Format(double seconds) => seconds < 0.1 ? Invariant($"{seconds * 1000:0.0} ms") : Invariant($"{seconds:0.0} s");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Serializes the report, by code generated at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(RehearsalReport))]
internal sealed partial class RehearsalJson : JsonSerializerContext;
