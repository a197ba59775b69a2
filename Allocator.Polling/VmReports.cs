using System.Text.Json;
using System.Text.Json.Nodes;
using Allocator.Contracts;

namespace Allocator.Polling;

/// <summary>
/// Collects facts about the VM and reports changes to the allocator. Changes are sent in one request before the next poll, so
/// that reports are as spread out as polls and precede a person that the poll brings, and are repeated until acknowledged.
/// Facts reported while the host stops are sent at once by the poll loop, if their reporter is registered after the polling
/// client: hosted services stop in reverse order of registration.
/// </summary>
public sealed class VmReports
{
    private readonly Lock _lock = new();
    private readonly JsonObject _reported = [];
    private JsonObject _acknowledged = [];

    /// <summary>
    /// Sets facts; setting the same value again sends nothing. Facts that are null keep their value, and so do omitted steps
    /// of <see cref="VmReport.Startup"/>. Thread-safe.
    /// </summary>
    public void Report(VmReport change)
    {
        lock (_lock)
        {
            Merge(_reported, change);
        }
    }

    /// <summary>Gets the facts that have not been acknowledged; null if there are none.</summary>
    internal VmReport? Pending
    {
        get
        {
            lock (_lock)
            {
                var changes = _reported.Where(fact => !JsonNode.DeepEquals(fact.Value, _acknowledged[fact.Key])).ToArray();
                return changes.Length == 0 ? null : Read(changes);
            }
        }
    }

    /// <summary>Marks facts as acknowledged by the allocator.</summary>
    internal void Acknowledge(VmReport report)
    {
        lock (_lock)
        {
            Merge(_acknowledged, report);
        }
    }

    /// <summary>Marks every fact as pending, since a newly enrolled VM has none at the allocator.</summary>
    internal void ForgetAcknowledged()
    {
        lock (_lock)
        {
            _acknowledged = [];
        }
    }

    /// <summary>Splits a report into reports of one fact each.</summary>
    internal static IEnumerable<VmReport> Split(VmReport report) =>
        Write(report).Where(fact => fact.Value is not null).Select(fact => Read([fact]));

    private static void Merge(JsonObject known, VmReport change)
    {
        foreach (var (name, value) in Write(change))
        {
            if (value is JsonObject steps && known[name] is JsonObject knownSteps)
            {
                foreach (var (step, seconds) in steps)
                {
                    knownSteps[step] = seconds?.DeepClone();
                }
            }
            else if (value is not null)
            {
                known[name] = value.DeepClone();
            }
        }
    }

    private static JsonObject Write(VmReport report) => JsonSerializer.SerializeToNode(report, WireJson.Default.VmReport)!.AsObject();

    private static VmReport Read(IEnumerable<KeyValuePair<string, JsonNode?>> facts) =>
        new JsonObject(facts.Select(fact => KeyValuePair.Create(fact.Key, fact.Value?.DeepClone()))).Deserialize(WireJson.Default.VmReport)!;
}
