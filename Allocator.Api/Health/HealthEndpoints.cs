using Allocator.Api.Security;
using Allocator.Contracts;

namespace Allocator.Api.Health;

/// <summary>The calls for load balancers, orchestrators and monitoring.</summary>
internal static class HealthEndpoints
{
    /// <param name="isFleetLoaded">Returns whether this replica can answer polls.</param>
    public static void MapHealth(this IEndpointRouteBuilder routes, Func<bool> isFleetLoaded)
    {
        var health = routes.MapGroup("/health").WithTags("Machines");
        health.MapGet("/live", () => TypedResults.Text("live"))
            .WithName("Live").WithSummary("Check that the process answers");

        // The check does not query the database: polls are served without it, and a failover must not take all replicas out of service.
        health.MapGet("/ready", (IHostApplicationLifetime lifetime) => (isFleetLoaded(), lifetime.ApplicationStopping.IsCancellationRequested) switch
            {
                (true, false) => Results.Text("ready"),
                (true, true) => Results.Text("stopping", statusCode: StatusCodes.Status503ServiceUnavailable),
                _ => Results.Text("loading the fleet", statusCode: StatusCodes.Status503ServiceUnavailable),
            })
            .WithName("Ready").WithSummary("Check that this replica has loaded the fleet and serves polls")
            .Produces<string>(StatusCodes.Status200OK, "text/plain")
            .Produces<string>(StatusCodes.Status503ServiceUnavailable, "text/plain");

        routes.MapGet("/api/health/connections", async (ConnectionWatch watch) => await watch.ReadAsync() switch
            {
                { Status: ConnectionStatus.Critical or ConnectionStatus.Unavailable } bad =>
                    Results.Json(bad, statusCode: StatusCodes.Status503ServiceUnavailable),
                var good => Results.Ok(good),
            })
            .WithName("ConnectionHealth").WithTags("Admins").WithSummary("Show all connections of the database server")
            .WithDescription("Uses at most one connection. If none is left, the answer is the last reading, with its age.")
            .RequireAuthorization(Callers.Admin)
            .Produces<ConnectionHealth>()
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .Produces<ConnectionHealth>(StatusCodes.Status503ServiceUnavailable);
    }
}
