using System.Text.Json;
using Allocator.Contracts;
using Microsoft.Extensions.DependencyInjection;
using Refit;

namespace Allocator.Client;

internal static class ClientSetup
{
    /// <summary>Registers the polling client; the clock and the random numbers are the caller's.</summary>
    public static void AddClient(this IServiceCollection services, ClientOptions options)
    {
        services.AddSingleton(options);
        services.AddSingleton<ClientState>();
        services.AddSingleton<HookRunner>();
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
    }
}
