using Allocator.Api.Vms;
using Allocator.Api.Web;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Maintenance;

/// <summary>
/// Runs the maintenance jobs one after the other at every <c>Liveness:SweepInterval</c>, on one database connection. A
/// job that fails is tried again at the next interval; it stops neither the other jobs nor the process.
/// </summary>
internal sealed partial class MaintenanceWorker(
    IEnumerable<MaintenanceJob> jobs,
    MaintenanceMetrics metrics,
    IOptions<LivenessOptions> options,
    TimeProvider time,
    ILogger<MaintenanceWorker> log) : BackgroundService
{
    private readonly MaintenanceJob[] _jobs = [.. jobs];

    // The last error of each job that fails, so that a lasting one is logged once and not at every interval.
    private readonly Dictionary<MaintenanceJob, string> _errors = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.SweepInterval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                foreach (var job in _jobs.Where(job => job.IsDue()))
                {
                    await RunAsync(job, stoppingToken);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process is stopping; the other replicas run the jobs.
        }
    }

    private async Task RunAsync(MaintenanceJob job, CancellationToken cancel)
    {
        var started = time.GetTimestamp();
        var result = MaintenanceResult.Failed;
        try
        {
            await job.RunAsync(cancel);
            result = MaintenanceResult.Succeeded;
            if (_errors.Remove(job))
            {
                Log.Recovered(log, job.Name);
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception e) when (Outage.IsTransient(e))
        {
            result = MaintenanceResult.Postponed;
            Log.Postponed(log, job.Name, e.Message);
        }
        catch (Exception e)
        {
            if (_errors.GetValueOrDefault(job) != e.Message)
            {
                _errors[job] = e.Message;
                Log.Failed(log, e, job.Name);
            }
        }
        finally
        {
            metrics.Ran(job.Name, started, result);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Debug, Message = "Maintenance job {Job} is postponed: {Error}")]
        public static partial void Postponed(ILogger log, string job, string error);

        [LoggerMessage(Level = LogLevel.Error, Message = "Maintenance job {Job} failed; it is tried again at every interval")]
        public static partial void Failed(ILogger log, Exception error, string job);

        [LoggerMessage(Level = LogLevel.Information, Message = "Maintenance job {Job} succeeded again")]
        public static partial void Recovered(ILogger log, string job);
    }
}
