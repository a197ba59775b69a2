using System.Text.Json;
using System.Text.Json.Serialization;
using Allocator.Api.Settings;
using Allocator.Contracts;
using FluentValidation;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Web;

/// <summary>Registers everything that all endpoints share: limits, JSON, validation, problems and the OpenAPI document.</summary>
internal static class WebSetup
{
    public static void AddWeb(this WebApplicationBuilder builder)
    {
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = Limits.MaxBody;
            // This is longer than the idle timeout of load balancers, which would otherwise send requests into closing connections.
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(130);
            // As in scripts/haproxy.cfg: a caller that never completes its headers holds a connection no longer.
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        });
        builder.Services.Configure<KestrelServerOptions>(builder.Configuration.GetSection("Kestrel"));

        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.TypeInfoResolverChain.Insert(0, WireJson.Default);
            json.SerializerOptions.NumberHandling = JsonNumberHandling.Strict;
        });
        builder.Services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        builder.Services.AddProblemDetails(problems => problems.CustomizeProblemDetails = Problems.Describe);
        builder.Services.AddExceptionHandler<ExceptionToProblem>();
        builder.Services.AddValidatorsFromAssemblyContaining<ExceptionToProblem>(ServiceLifetime.Singleton, includeInternalTypes: true);
        ValidatorOptions.Global.PropertyNameResolver = (_, member, _) => member is null ? null : JsonNamingPolicy.CamelCase.ConvertName(member.Name);
        builder.Services.AddSettings<ProxyOptions, ProxyOptions.Validator>(ProxyOptions.Section);
        builder.Services.AddSingleton<IConfigureOptions<ForwardedHeadersOptions>, ProxyOptions.Headers>();
        builder.Services.AddSingleton<IdempotencyStore>();
        builder.Services.AddOpenApi("v1", OpenApiSetup.Configure);
    }
}
