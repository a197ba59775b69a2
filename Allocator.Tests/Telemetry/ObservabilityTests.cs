using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Telemetry;

/// <summary>The dashboard, the alert rules and the documents in <c>docs/</c> agree with the program.</summary>
public sealed partial class ObservabilityTests(PostgresServer server)
{
    private static readonly string[] Words =
        ["and", "or", "unless", "by", "on", "without", "ignoring", "bool", "offset", "sum", "max", "min", "rate", "absent"];

    [Fact]
    public async Task Dashboard_and_alerts_use_existing_metrics_and_all_of_them_are_documented()
    {
        await using var api = await ApiProcess.StartAsync(await server.CreateDatabaseAsync());
        await api.WalkTheWholeWayAsync();
        Assert.NotEmpty(Expressions("alerts.yml"));
        Assert.NotEmpty(Expressions("grafana-dashboard.json"));
        var documented = DocumentedMetric().Matches(Read("docs", "observability", "README.md")).Select(match => match.Groups[1].Value);
        // Some metrics appear only after the reply, or with the first measurement in the background.
        await Wait.UntilPassesAsync(async () =>
        {
            // Prometheus itself adds the last one.
            string[] present = [.. (await Scrape.OfAsync(api.Http)).Names, "up"];
            Assert.Empty(Expressions("alerts.yml").SelectMany(Metrics).Except(present));
            Assert.Empty(Expressions("grafana-dashboard.json").SelectMany(Metrics).Except(present));
            var ours = present.Where(name => name.StartsWith("allocator_", StringComparison.Ordinal))
                .Select(name => name.Contains("_duration_", StringComparison.Ordinal) ? HistogramSuffix().Replace(name, "") : name);
            Assert.Equal(ours.Distinct().Order(StringComparer.Ordinal), documented.Distinct().Order(StringComparer.Ordinal));
        });
    }

    [Fact]
    public void Every_alert_has_a_section_in_the_runbook()
    {
        var rules = Read("docs", "observability", "alerts.yml");
        var alerts = Alert().Matches(rules).Select(match => match.Groups[1].Value).ToArray();
        var sections = Section().Matches(Read("docs", "runbook.md")).Select(match => match.Groups[1].Value);

        Assert.Equal(alerts.Length, alerts.Distinct().Count());
        Assert.Equal(alerts.Order(StringComparer.Ordinal), sections.Order(StringComparer.Ordinal));
        foreach (var alert in alerts)
        {
            Assert.Contains($"runbook: docs/runbook.md#{alert.ToLowerInvariant()}\n", rules, StringComparison.Ordinal);
        }
        Assert.Equal(alerts.Length, Expressions("alerts.yml").Length);
    }

    [Fact]
    public void Dashboard_has_a_query_in_each_panel_and_no_two_panels_in_one_place()
    {
        var panels = JsonNode.Parse(Read("docs", "observability", "grafana-dashboard.json"))!["panels"]!.AsArray();
        Assert.All(panels.Where(panel => (string)panel!["type"]! != "row"), panel => Assert.NotEmpty(panel!["targets"]!.AsArray()));
        Assert.Equal(panels.Count, panels.Select(panel => (int)panel!["id"]!).Distinct().Count());
        Assert.Equal(panels.Count, panels.Select(panel => ((int)panel!["gridPos"]!["x"]!, (int)panel["gridPos"]!["y"]!)).Distinct().Count());
        Assert.All(panels, panel => Assert.NotEmpty((string)panel!["title"]!));
    }

    private static string[] Expressions(string file) => file.EndsWith(".json", StringComparison.Ordinal)
        ? [.. JsonNode.Parse(Read("docs", "observability", file))!["panels"]!.AsArray()
            .SelectMany(panel => panel!["targets"]?.AsArray() ?? []).Select(target => (string)target!["expr"]!)]
        : [.. Expression().Matches(Read("docs", "observability", file)).Select(match => match.Groups[1].Value)];

    /// <summary>Returns the names in a query that are neither functions nor labels nor keywords.</summary>
    private static IEnumerable<string> Metrics(string expression) =>
        Name().Matches(NotNames().Replace(expression, " ")).Select(match => match.Value).Except(Words);

    private static string Read(params string[] path) => File.ReadAllText(Path.Combine([RepositoryRoot.Path, .. path]));

    /// <summary>Matches label matchers, ranges, and the labels of a grouping.</summary>
    [GeneratedRegex(@"\{[^}]*\}|\[[^\]]*\]|\b(by|on|without|ignoring) *\([^)]*\)")]
    private static partial Regex NotNames();

    [GeneratedRegex(@"\b[a-z_:][a-z0-9_:]*\b(?! *\()", RegexOptions.IgnoreCase)]
    private static partial Regex Name();

    [GeneratedRegex(@"^ +expr: (.+)$", RegexOptions.Multiline)]
    private static partial Regex Expression();

    [GeneratedRegex(@"^ +- alert: (\w+)$", RegexOptions.Multiline)]
    private static partial Regex Alert();

    [GeneratedRegex(@"^## (\w+)$", RegexOptions.Multiline)]
    private static partial Regex Section();

    [GeneratedRegex(@"^\| `(allocator_\w+)`", RegexOptions.Multiline)]
    private static partial Regex DocumentedMetric();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex HistogramSuffix();
}
