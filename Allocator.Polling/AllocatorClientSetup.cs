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
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { TypeInfoResolver = WireJson.Default };

    /// <summary>
    /// Polls the allocator while the host runs, and calls <typeparamref name="THandler"/>, a singleton, for its answers. Uses
    /// the <see cref="TimeProvider"/> and the <see cref="Random"/> of the services, or else the system's. Other parts of the
    /// program can inject <see cref="VmReports"/>.
    /// </summary>
    /// <exception cref="ArgumentException">An option is wrong; the message names it and its valid values.</exception>
    public static IServiceCollection AddAllocatorClient<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        this IServiceCollection services, AllocatorClientOptions options)
        where THandler : class, IAssignmentHandler
    {
        options.Check();
        return services.AddAllocatorClient<THandler>(_ => options);
    }

    /// <summary>Does the same with options that are created once, when the host is built.</summary>
    public static IServiceCollection AddAllocatorClient<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        this IServiceCollection services, Func<IServiceProvider, AllocatorClientOptions> options)
        where THandler : class, IAssignmentHandler
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(Random.Shared);
        services.AddSingleton(provider =>
        {
            var created = options(provider);
            created.Check();
            return created;
        });
        services.AddSingleton<IAssignmentHandler, THandler>();
        services.AddSingleton<VmReports>();
        services.AddSingleton<StatusWriter>();
        services.AddSingleton<StateStore>();
        services.AddSingleton<AssignmentWorker>();
        services.AddSingleton<ConnectivityMonitor>();
        services.AddSingleton(provider => new StartupTimes(
            provider.GetRequiredService<AllocatorClientOptions>(), provider.GetRequiredService<StateStore>(),
            provider.GetRequiredService<VmReports>(), provider.GetRequiredService<TimeProvider>()));
        services.AddHostedService<PollLoop>();

        services.AddRefitGeneratedClient<IAllocatorApi>(new RefitSettings(new SystemTextJsonContentSerializer(Json)))
            .ConfigureHttpClient((provider, client) =>
            {
                var clientOptions = provider.GetRequiredService<AllocatorClientOptions>();
                (client.BaseAddress, client.Timeout) = (clientOptions.Url, clientOptions.RequestTimeout);
            })
            .ConfigurePrimaryHttpMessageHandler(provider => Connections.Create(provider.GetRequiredService<AllocatorClientOptions>()))
            .AddHttpMessageHandler(() => new ResponseBuffer());
        return services;
    }
}
