using Allocator.Api.Settings;

namespace Allocator.Api.Assignments;

internal static class AssignmentsSetup
{
    public static void AddAssignments(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSettings<DeliveryOptions>(DeliveryOptions.Section);
        builder.Services.AddSingleton<AssignmentMetrics>();
        builder.Services.AddSingleton<AssignmentStore>();
        builder.Services.AddSingleton<OutcomeStore>();
        builder.Services.AddSingleton<AdminAssignmentStore>();
        builder.Services.AddSingleton<WaitEstimate>();
    }
}
