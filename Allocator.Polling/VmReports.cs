using System.Text.Json;
using System.Text.Json.Nodes;
using Allocator.Contracts;

namespace Allocator.Polling;

/// <summary>
/// What the VM says of itself besides its outcomes. Anything that watches the VM says here what it sees; the loop tells
/// the allocator what that changes, in one request along with the next poll (so as spread as polls are, and before a
/// person could come with it), until it has been heard. What is said while the host stops goes out at once, before the
/// loop ends, for watchers that stop before it: hosted services stop in reverse order of their registration.
/// </summary>
public sealed class VmReports
{
    private readonly Lock _lock = new();
    private readonly JsonObject _reported = [];
    private JsonObject _acknowledged = [];

    /// <summary>
    /// Says how it is now; saying the same again costs nothing. What is null stays as it was said before, and so do the
    /// steps of <see cref="VmReport.Startup"/> that are not named. Can be called by any thread.
    /// </summary>
    public void Report(VmReport change)
    {
        lock (_lock)
        {
            Merge(_reported, change);
        }
    }

    /// <summary>What the allocator has not heard yet; null if it knows all.</summary>
    internal VmReport? Pending
    {
        get
        {
            lock (_lock)
            {
                var changes = _reported.Where(said => !JsonNode.DeepEquals(said.Value, _acknowledged[said.Key])).ToArray();
                return changes.Length == 0 ? null : Read(changes);
            }
        }
    }

    /// <summary>The allocator knows this now.</summary>
    internal void Acknowledge(VmReport report)
    {
        lock (_lock)
        {
            Merge(_acknowledged, report);
        }
    }

    /// <summary>The allocator knows nothing: the VM has joined anew.</summary>
    internal void ForgetAcknowledged()
    {
        lock (_lock)
        {
            _acknowledged = [];
        }
    }

    /// <summary>A report of each single fact.</summary>
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
