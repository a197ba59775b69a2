using Allocator.Api.Settings;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Allocator.Api.Polling;

internal static class PollingSetup
{
    /// <summary>What the output cache may take: bodies are small, and few VMs ask for the same one twice.</summary>
    private const long CacheBytes = 16 * 1024 * 1024;

    public static void AddPolls(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSettings<PollOptions, PollOptions.Validator>(PollOptions.Section);
        builder.Services.AddSingleton<PollHandler>();
        builder.Services.AddSingleton<PollInterval>();
        builder.Services.AddSingleton<PollMetrics>();
        builder.Services.AddSingleton<PollStore>();
        builder.Services.AddSingleton<PollCachePolicy>();
        builder.Services.AddSingleton<NotModifiedFastPath>();
        PutBeforeApplication(builder.Services);
        builder.Services.AddSingleton<LivenessWriter>();
        builder.Services.AddHostedService(services => services.GetRequiredService<LivenessWriter>());
        builder.Services.AddOutputCache(options =>
        {
            options.SizeLimit = CacheBytes;
            // Without the default policy, which never caches what was asked for with an Authorization header: this
            // policy runs behind authentication and keeps one entry per VM.
            options.AddPolicy(PollCachePolicy.Name, policy => policy.AddPolicy<PollCachePolicy>(), excludeDefaultPolicy: true);
        });
    }

    /// <summary>Puts the steady polls between the server that is registered and the application.</summary>
    private static void PutBeforeApplication(IServiceCollection services)
    {
        var server = services.Last(service => service.ServiceType == typeof(IServer));
        services.Replace(ServiceDescriptor.Singleton<IServer>(provider => new NotModifiedFastPath.Server(
            (IServer)ActivatorUtilities.CreateInstance(provider, server.ImplementationType!), provider.GetRequiredService<NotModifiedFastPath>)));
    }
}
