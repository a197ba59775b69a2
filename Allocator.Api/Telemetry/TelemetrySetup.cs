using System.Reflection;
using Allocator.Api.Settings;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Allocator.Api.Telemetry;

/// <summary>Registers metrics for Prometheus and, if a collector is configured, the export of metrics, traces and logs.</summary>
internal static class TelemetrySetup
{
    public static void AddTelemetry(this WebApplicationBuilder builder)
    {
        builder.Services.AddSettings<TelemetryOptions>(TelemetryOptions.Section);
        builder.Services.AddSettings<OtlpOptions, OtlpOptions.Validator>("");
        ListenOnMetricsPort(builder);

        var telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(
                builder.Configuration["OTEL_SERVICE_NAME"] ?? ReplicaName.Prefix.Trim(),
                serviceVersion: Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion,
                serviceInstanceId: ReplicaName.Value[ReplicaName.Prefix.Length..]))
            .WithMetrics(metrics => metrics
                .AddMeter(Instrumentation.Name, "Npgsql", "System.Runtime", "Microsoft.AspNetCore.Server.Kestrel")
                .AddPrometheusExporter(prometheus => prometheus.ScopeInfoEnabled = false));

        var otlp = builder.Configuration.Get<OtlpOptions>()!;
        if (otlp.Endpoint.Length > 0)
        {
            telemetry
                .WithTracing(traces => traces.AddSource(Instrumentation.Name, "Npgsql"))
                .WithLogging(null, logs => logs.IncludeFormattedMessage = true)
                .UseOtlpExporter();
        }
    }

    public static void MapMetrics(this WebApplication app)
    {
        var branch = ((IApplicationBuilder)app).New();
        branch.UseOpenTelemetryPrometheusScrapingEndpoint(_ => true);
        var scrape = branch.Build();
        var options = app.Configuration.ReadSettings<TelemetryOptions>(TelemetryOptions.Section);

        // Compares the connection's port, because the Host header is chosen by the caller.
        Task AnswerAsync(HttpContext context) =>
            (options.MetricsPort == 0 ? options.PublicMetrics : context.Connection.LocalPort == options.MetricsPort)
                ? scrape(context)
                : Results.NotFound().ExecuteAsync(context);

        app.MapGet("/metrics", (Delegate)AnswerAsync)
            .WithName("Metrics").WithTags("Machines").WithSummary("Metrics, for Prometheus")
            .Produces<string>(StatusCodes.Status200OK, "text/plain")
            .ProducesProblem(StatusCodes.Status404NotFound);
    }

    /// <summary>Adds the port to the listening ports, whichever setting defines them.</summary>
    private static void ListenOnMetricsPort(WebApplicationBuilder builder)
    {
        var port = builder.Configuration.ReadSettings<TelemetryOptions>(TelemetryOptions.Section).MetricsPort;
        if (port is < 1 or > 65_535)
        {
            return;
        }
        if (builder.Configuration[WebHostDefaults.ServerUrlsKey] is { Length: > 0 } urls)
        {
            builder.WebHost.UseSetting(WebHostDefaults.ServerUrlsKey, $"{urls};http://*:{port}");
        }
        else
        {
            var ports = builder.Configuration[WebHostDefaults.HttpPortsKey];
            builder.WebHost.UseSetting(WebHostDefaults.HttpPortsKey, ports is { Length: > 0 } ? $"{ports};{port}" : $"5000;{port}");
        }
    }
}
