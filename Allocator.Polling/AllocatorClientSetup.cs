using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Allocator.Contracts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Refit;

namespace Allocator.Polling;

/// <summary>Registers the polling client.</summary>
public static class AllocatorClientSetup
{
    /// <summary>
    /// Polls the allocator for as long as the host runs, and has <typeparamref name="THandler"/> do what it says. The
    /// <see cref="TimeProvider"/> and the <see cref="Random"/> are those of the services, or else the system's.
    /// </summary>
    public static IServiceCollection AddAllocatorClient<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        this IServiceCollection services, AllocatorClientOptions options)
        where THandler : class, IAssignmentHandler
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(Random.Shared);
        services.AddSingleton(options);
        services.AddSingleton<ClientState>();
        services.AddSingleton<IAssignmentHandler, THandler>();
        services.AddSingleton<AssignmentWorker>();
        services.AddHostedService<PollLoop>();

        var json = new JsonSerializerOptions(JsonSerializerDefaults.Web) { TypeInfoResolver = WireJson.Default };
        services.AddRefitGeneratedClient<IAllocatorApi>(new RefitSettings(new SystemTextJsonContentSerializer(json)))
            .ConfigureHttpClient(client => (client.BaseAddress, client.Timeout) = (options.Url, options.RequestTimeout))
            .ConfigurePrimaryHttpMessageHandler(() => new SocketsHttpHandler
            {
                // The addresses behind a load balancer's name change.
                PooledConnectionLifetime = TimeSpan.FromMinutes(5),
                // A captive portal redirects; the allocator never does.
                AllowAutoRedirect = false,
            });
        return services;
    }
}
