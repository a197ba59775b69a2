namespace Allocator.Api.Maintenance;

internal static class MaintenanceSetup
{
    /// <summary>Adds the jobs in the order in which they run.</summary>
    public static void AddMaintenance(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<MaintenanceJob, RequeueOverdueJob>();
        builder.Services.AddSingleton<MaintenanceJob, MoveOffLostJob>();
        builder.Services.AddSingleton<MaintenanceJob, ExpireJob>();
        builder.Services.AddSingleton<MaintenanceJob, RetireDrainedJob>();
        builder.Services.AddSingleton<MaintenanceJob, MarkLostJob>();
        builder.Services.AddSingleton<MaintenanceJob, RecordFailedSignInsJob>();
        builder.Services.AddSingleton<MaintenanceJob, EventRetentionJob>();
        builder.Services.AddSingleton<MaintenanceJob, AssignmentRetentionJob>();
        builder.Services.AddSingleton<MaintenanceJob, EnrolmentTokenRetentionJob>();
        builder.Services.AddSingleton<MaintenanceJob, IdempotencyKeyRetentionJob>();
        builder.Services.AddSingleton<MaintenanceMetrics>();
        builder.Services.AddHostedService<MaintenanceWorker>();
    }
}
