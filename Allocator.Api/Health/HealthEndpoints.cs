using Allocator.Api.Fleet;

namespace Allocator.Api.Health;

/// <summary>What a load balancer and an orchestrator ask.</summary>
internal static class HealthEndpoints
{
    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        var health = routes.MapGroup("/health").WithTags("Machines");
        health.MapGet("/live", () => TypedResults.Text("live"))
            .WithName("Live").WithSummary("The process answers");

        // Never "the database answers": polls are served without it, and a failover must not take every replica away.
        health.MapGet("/ready", (VmFleet fleet, IHostApplicationLifetime lifetime) =>
                fleet.IsLoaded && !lifetime.ApplicationStopping.IsCancellationRequested
                    ? Results.Text("ready")
                    : Results.Text(fleet.IsLoaded ? "stopping" : "loading the fleet", statusCode: StatusCodes.Status503ServiceUnavailable))
            .WithName("Ready").WithSummary("The fleet is loaded: this replica serves polls")
            .Produces<string>(StatusCodes.Status200OK, "text/plain")
            .Produces<string>(StatusCodes.Status503ServiceUnavailable, "text/plain");
    }
}
