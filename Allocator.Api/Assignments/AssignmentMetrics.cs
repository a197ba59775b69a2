using System.Data;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Allocator.Api.Data;
using Allocator.Api.Telemetry;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Assignments;

/// <summary>A step that an assignment has just made, by the database's clock.</summary>
/// <param name="AskedAt">When the person asked.</param>
/// <param name="Since">When the step before was made.</param>
/// <param name="TraceParent">The person's request, where it is traced.</param>
internal sealed record Milestone(string Pool, string Hostname, DateTime AskedAt, DateTime Since, DateTime At, string? TraceParent)
{
    /// <summary>Reads an assignment's row, with the step that is between two of its times.</summary>
    public static Milestone Read(NpgsqlDataReader row, string since, string at) => new(
        row.GetString("pool"), row.GetString("hostname"), row.GetDateTime("requested_at"), row.GetDateTime(since), row.GetDateTime(at),
        row.GetStringOrNull("trace_parent"));
}

/// <summary>How long people wait for each step of their assignment, as histograms and in the trace of their request.</summary>
internal sealed class AssignmentMetrics
{
    private readonly Histogram<double> _pickup;
    private readonly Counter<long> _outcomes;

    public AssignmentMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(Instrumentation.Name);
        _pickup = meter.CreateHistogram("allocator.pickup.duration", "s", "From a person's request until a VM's poll has brought it to the VM (assigned), the VM has acknowledged it (received), the person can connect (connected)", advice: Instrumentation.Long);
        _outcomes = meter.CreateCounter<long>("allocator.outcomes", "{outcome}", "What VMs reported of what they were told");
        foreach (var outcome in Enum.GetValues<Outcome>())
        {
            _outcomes.Add(0, Of(outcome));
        }
    }

    /// <summary>A VM's poll has taken the person along.</summary>
    public void Assigned(Milestone milestone) => Reached("assigned", "wait in the queue", milestone);

    /// <summary>The VM has acknowledged its person.</summary>
    public void Received(Milestone milestone) => Reached("received", "deliver to the VM", milestone);

    /// <summary>The person can connect.</summary>
    public void Connected(Milestone milestone) => Reached("connected", "prepare on the VM", milestone);

    public void Reported(Outcome outcome) => _outcomes.Add(1, Of(outcome));

    /// <summary>
    /// The steps happen in requests of the VM, at any replica, so each is written into the person's trace by the
    /// traceparent that is kept with the assignment. Without the assignment's id: to know it is to own the assignment.
    /// </summary>
    private void Reached(string step, string span, Milestone milestone)
    {
        _pickup.Record((milestone.At - milestone.AskedAt).TotalSeconds, new("pool", milestone.Pool), new("step", step));
        if (!ActivityContext.TryParse(milestone.TraceParent, null, isRemote: true, out var request))
        {
            return;
        }
        using var activity = Instrumentation.Spans.StartActivity(
            span,
            ActivityKind.Internal,
            request,
            [new("allocator.pool", milestone.Pool), new("allocator.hostname", milestone.Hostname)],
            Activity.Current is { } current ? [new ActivityLink(current.Context)] : null,
            milestone.Since);
        activity?.SetEndTime(milestone.At);
    }

    private static KeyValuePair<string, object?> Of(Outcome outcome) => new("outcome", outcome.ToString().ToLowerInvariant());
}
