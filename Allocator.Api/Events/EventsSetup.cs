using Allocator.Api.Settings;

namespace Allocator.Api.Events;

internal static class EventsSetup
{
    public static void AddEvents(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSettings<RetentionOptions>(RetentionOptions.Section);
        builder.Services.AddSingleton<EventStore>();
    }
}
