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
    /// Polls the allocator for as long as the host runs, and has <typeparamref name="THandler"/>, a singleton, do what it
    /// says. The <see cref="TimeProvider"/> and the <see cref="Random"/> are those of the services, or else the system's.
    /// Other parts of the program can take <see cref="VmReports"/>.
    /// </summary>
    /// <exception cref="ArgumentException">An option is wrong; the message names it and what would be right.</exception>
    public static IServiceCollection AddAllocatorClient<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        this IServiceCollection services, AllocatorClientOptions options)
        where THandler : class, IAssignmentHandler
    {
        options.Check();
        return services.AddAllocatorClient<THandler>(_ => options);
    }

    /// <summary>The same with options that are made, once, when the host is built.</summary>
    public static IServiceCollection AddAllocatorClient<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        this IServiceCollection services, Func<IServiceProvider, AllocatorClientOptions> options)
        where THandler : class, IAssignmentHandler
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(Random.Shared);
        services.AddSingleton(provider =>
        {
            var made = options(provider);
            made.Check();
            return made;
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
                var made = provider.GetRequiredService<AllocatorClientOptions>();
                (client.BaseAddress, client.Timeout) = (made.Url, made.RequestTimeout);
            })
            .ConfigurePrimaryHttpMessageHandler(provider => Connections.Create(provider.GetRequiredService<AllocatorClientOptions>()))
            .AddHttpMessageHandler(() => new ResponseBuffer());
        return services;
    }
}
