using Allocator.Api.Security;
using Allocator.Api.Settings;

namespace Allocator.Api.Fleet;

internal static class FleetSetup
{
    public static void AddFleet(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSettings<FleetOptions>(FleetOptions.Section);
        builder.Services.AddSingleton<VmFleet>();
        builder.Services.AddSingleton<FleetMetrics>();
        builder.Services.AddSingleton<FleetStore>();
        builder.Services.AddSingleton<FleetRefresh>();
        builder.Services.AddSingleton<ReadThrough>();
        builder.Services.AddHostedService<FleetFeed>();
        builder.Services.AddCaller<VmAuthentication>(Callers.Vm);
        // The framework logs every refusal; RefusalLog counts them instead.
        builder.Logging.AddFilter(typeof(VmAuthentication).FullName, LogLevel.Warning);
    }
}
