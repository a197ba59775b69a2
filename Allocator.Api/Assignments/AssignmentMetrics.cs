using System.Data;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Allocator.Api.Data;
using Allocator.Api.Telemetry;
using Allocator.Contracts;
using Npgsql;

namespace Allocator.Api.Assignments;

/// <summary>A step that an assignment has just reached. All times are those of the database's clock.</summary>
/// <param name="RequestedAt">The time of the person's request.</param>
/// <param name="Since">The time of the previous step.</param>
/// <param name="TraceParent">The trace context of the person's request, if it is traced.</param>
internal sealed record Milestone(string Pool, string Hostname, DateTime RequestedAt, DateTime Since, DateTime At, string? TraceParent)
{
    /// <summary>Reads the step between two times of an assignment's row.</summary>
    public static Milestone Read(NpgsqlDataReader row, string since, string at) => new(
        row.GetString("pool"), row.GetString("hostname"), row.GetDateTime("requested_at"), row.GetDateTime(since), row.GetDateTime(at),
        row.GetStringOrNull("trace_parent"));
}

/// <summary>Measures how long people wait for each step of their assignment, in histograms and in the trace of their request.</summary>
internal sealed class AssignmentMetrics
{
    private readonly Histogram<double> _pickup;
    private readonly Counter<long> _outcomes;

    public AssignmentMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(Instrumentation.Name);
        _pickup = meter.CreateHistogram(
            "allocator.pickup.duration", "s",
            "Time from a person's request until a VM is assigned (assigned) or has acknowledged it (received), or the person can connect (connected)",
            advice: Instrumentation.Long);
        _outcomes = meter.CreateCounter<long>("allocator.outcomes", "{outcome}", "Outcomes that VMs reported");
        foreach (var outcome in Enum.GetValues<Outcome>())
        {
            _outcomes.Add(0, Of(outcome));
        }
    }

    /// <summary>Records that a VM's poll has claimed the person.</summary>
    public void Assigned(Milestone milestone) => Reached("assigned", "wait in the queue", milestone);

    /// <summary>Records that the VM has acknowledged its person.</summary>
    public void Received(Milestone milestone) => Reached("received", "deliver to the VM", milestone);

    /// <summary>Records that the person can connect.</summary>
    public void Connected(Milestone milestone) => Reached("connected", "prepare on the VM", milestone);

    public void Reported(Outcome outcome) => _outcomes.Add(1, Of(outcome));

    /// <summary>
    /// Records a step. Steps happen in requests of the VM, at any replica, so each is added to the person's trace through the
    /// traceparent that is stored with the assignment. The span has no assignment id, since the id gives access to it.
    /// </summary>
    private void Reached(string step, string span, Milestone milestone)
    {
        _pickup.Record((milestone.At - milestone.RequestedAt).TotalSeconds, new("pool", milestone.Pool), new("step", step));
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
