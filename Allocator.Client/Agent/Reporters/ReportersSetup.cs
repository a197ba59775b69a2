using Allocator.Client.Agent.Processes;
using Allocator.Polling;
using Microsoft.Extensions.DependencyInjection;

namespace Allocator.Client.Agent.Reporters;

internal static class ReportersSetup
{
    /// <summary>
    /// Registers the reporters, which send their observations via <see cref="VmReports"/>. Must be called after the polling
    /// client is registered: the reporters then stop first, and their last report is still sent.
    /// </summary>
    public static IServiceCollection AddReporters(this IServiceCollection services, ClientOptions options)
    {
        services.AddSingleton<ProgramRunner>();
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
