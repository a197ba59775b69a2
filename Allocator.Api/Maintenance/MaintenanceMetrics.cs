using System.Diagnostics.Metrics;
using Allocator.Api.Telemetry;

namespace Allocator.Api.Maintenance;

/// <summary>The result of one run of a maintenance job.</summary>
internal enum MaintenanceResult
{
    Succeeded,

    /// <summary>The database was unavailable.</summary>
    Postponed,

    /// <summary>The job failed for a reason that does not pass by itself.</summary>
    Failed,
}

/// <summary>Measures how long each maintenance job takes, and counts those that fail.</summary>
internal sealed class MaintenanceMetrics
{
    private readonly TimeProvider _time;
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _failures;

    public MaintenanceMetrics(IMeterFactory meters, IEnumerable<MaintenanceJob> jobs, TimeProvider time)
    {
        _time = time;
        var meter = meters.Create(Instrumentation.Name);
        _duration = meter.CreateHistogram(
            "allocator.maintenance.duration", "s", "Duration of maintenance jobs, by job and result", advice: Instrumentation.Short);
        _failures = meter.CreateCounter<long>(
            "allocator.maintenance.failures", "{run}", "Runs of maintenance jobs that failed although the database was available");
        // Every counter exists from the start, so that the first failure shows as an increase.
        foreach (var job in jobs)
        {
            _failures.Add(0, JobTag(job.Name));
        }
    }

    /// <param name="started">The timestamp at the start of the run.</param>
    public void Ran(string job, long started, MaintenanceResult result)
    {
        _duration.Record(_time.GetElapsedTime(started).TotalSeconds, JobTag(job), new("result", result.ToString().ToLowerInvariant()));
        if (result == MaintenanceResult.Failed)
        {
            _failures.Add(1, JobTag(job));
        }
    }

    // The tag is not named "job", because Prometheus uses that name for the job that scrapes.
    private static KeyValuePair<string, object?> JobTag(string job) => new("maintenance_job", job);
}
