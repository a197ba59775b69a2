using Allocator.Api.Fleet;
using Allocator.Api.Security;
using Allocator.Contracts;

namespace Allocator.Api.Health;

/// <summary>What a load balancer and an orchestrator ask, and an admin's monitor.</summary>
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

        routes.MapGet("/api/health/connections", async (ConnectionWatch watch) => await watch.ReadAsync() switch
            {
                { Status: ConnectionStatus.Critical or ConnectionStatus.Unavailable } bad =>
                    Results.Json(bad, statusCode: StatusCodes.Status503ServiceUnavailable),
                var good => Results.Ok(good),
            })
            .WithName("ConnectionHealth").WithTags("Admins").WithSummary("The database server's connections, whoever has them")
            .WithDescription("Takes one connection at most, and answers from its last reading, with its age, where there is none left.")
            .RequireAuthorization(AdminAuthentication.Name)
            .Produces<ConnectionHealth>()
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .Produces<ConnectionHealth>(StatusCodes.Status503ServiceUnavailable);
    }
}
