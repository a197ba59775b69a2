namespace Allocator.Api.Maintenance;

/// <summary>
/// A change that becomes necessary because time has passed. Every replica runs every job: the statement of a job changes
/// only rows that still need it, and skips rows that another transaction has locked.
/// </summary>
internal abstract class MaintenanceJob(string name)
{
    /// <summary>Gets the name that identifies the job in logs and metrics.</summary>
    public string Name { get; } = name;

    /// <summary>Returns whether the job has work to do at this interval; called once for each.</summary>
    public virtual bool IsDue() => true;

    /// <summary>Runs the job once.</summary>
    public abstract Task RunAsync(CancellationToken cancel);
}
