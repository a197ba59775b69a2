using Allocator.Polling;
using Microsoft.Extensions.DependencyInjection;

namespace Allocator.Client.Agent.Reporters;

internal static class ReportersSetup
{
    /// <summary>
    /// Registers what watches the VM and says what it sees by way of <see cref="VmReports"/>. After the polling client, so
    /// that it stops before it and its last word is still sent.
    /// </summary>
    public static IServiceCollection AddReporters(this IServiceCollection services, ClientOptions options)
    {
        services.AddSingleton<Programs>();
        if (!options.IsReadyAtOnce)
        {
            services.AddHostedService<ReadyReporter>();
        }
        if (options.GpuProgram.Length > 0)
        {
            services.AddHostedService<GpuReporter>();
        }
        if (options.InUseProcess is not null)
        {
            services.AddHostedService<InUseReporter>();
        }
        services.AddHostedService<DiskReporter>();
        services.AddHostedService<ShutdownReporter>();
        return services;
    }
}
