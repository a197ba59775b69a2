using Allocator.Api.Settings;

namespace Allocator.Api.Health;

internal static class HealthSetup
{
    public static void AddHealth(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSettings<HealthOptions>(HealthOptions.Section);
        builder.Services.AddSingleton<ConnectionStore>();
        builder.Services.AddSingleton<ConnectionWatch>();
        builder.Services.AddHostedService(services => services.GetRequiredService<ConnectionWatch>());
    }
}
