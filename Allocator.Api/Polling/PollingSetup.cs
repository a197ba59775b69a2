using Allocator.Api.Settings;
using Allocator.Api.Telemetry;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Allocator.Api.Polling;

internal static class PollingSetup
{
    /// <summary>The size limit of the output cache is low: bodies are small, and few VMs request the same one twice.</summary>
    private const long CacheBytes = 16 * 1024 * 1024;

    public static void AddPolls(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSettings<PollOptions>(PollOptions.Section);
        builder.Services.AddSingleton<PollHandler>();
        builder.Services.AddSingleton<PollInterval>();
        builder.Services.AddSingleton<PollMetrics>();
        builder.Services.AddSingleton<PollStore>();
        builder.Services.AddSingleton<PollCachePolicy>();
        builder.Services.AddSingleton<NotModifiedFastPath>();
        AddFastPath(builder.Services);
        builder.Services.AddSingleton<LivenessWriter>();
        builder.Services.AddHostedService(services => services.GetRequiredService<LivenessWriter>());
        builder.Services.AddOutputCache(options =>
        {
            options.SizeLimit = CacheBytes;
            // The default policy never caches responses to requests with an Authorization header. This policy runs behind
            // authentication and keeps one entry for each VM.
            options.AddPolicy(PollCachePolicy.Name, policy => policy.AddPolicy<PollCachePolicy>(), excludeDefaultPolicy: true);
        });
    }

    /// <summary>Counts polls; measures and traces all other requests.</summary>
    public static void UseTelemetryExceptForPolls(this WebApplication app)
    {
        var metrics = app.Services.GetRequiredService<PollMetrics>();
        app.UseWhen(IsPoll, polls => polls.Use(async (context, next) =>
        {
            await next(context);
            metrics.Answered(context.Response.StatusCode);
        }));
        app.UseWhen(context => !IsPoll(context), others => others.UseMiddleware<RequestTelemetry>());
    }

    private static bool IsPoll(HttpContext context) =>
        HttpMethods.IsGet(context.Request.Method)
        && context.Request.Path.Value!.StartsWith(NotModifiedFastPath.Prefix, StringComparison.Ordinal);

    /// <summary>Puts the fast path between the registered server and the application.</summary>
    private static void AddFastPath(IServiceCollection services)
    {
        var server = services.Last(service => service.ServiceType == typeof(IServer));
        services.Replace(ServiceDescriptor.Singleton<IServer>(provider => new NotModifiedFastPath.Server(
            (IServer)ActivatorUtilities.CreateInstance(provider, server.ImplementationType!), provider.GetRequiredService<NotModifiedFastPath>)));
    }
}
