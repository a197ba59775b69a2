using System.Security.Claims;
using Allocator.Api.Security;
using Allocator.Api.Web;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Allocator.Api.Pools;

internal static class PoolEndpoints
{
    public static void MapPools(this IEndpointRouteBuilder routes)
    {
        var pools = routes.MapGroup("/pools").WithTags("Admins")
            .RequireAuthorization(Callers.Admin)
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        pools.MapGet("/", ListAsync).WithName("ListPools").WithSummary("List all pools with their state and settings");
        pools.MapGet("/{pool}", FindAsync).WithName("FindPool").WithSummary("Show the state and the settings of a pool")
            .ProducesProblem(StatusCodes.Status404NotFound);
        pools.MapPut("/{pool}", PutAsync).WithName("PutPool").WithSummary("Create or replace a pool")
            .Validate<PoolSettings>()
            .ProducesProblem(StatusCodes.Status409Conflict);
        pools.MapDelete("/{pool}", DeleteAsync).WithName("DeletePool").WithSummary("Delete a pool that is not in use")
            .WithDescription(
                "The pool must have no VMs and no live assignments, unless it is a rehearsal pool. Its ended assignments are deleted; "
                + "its events are kept, except those of a rehearsal pool.")
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict);
    }

    private static async Task<Ok<IReadOnlyList<Pool>>> ListAsync(PoolStore store, CancellationToken cancel) =>
        TypedResults.Ok(await store.ListAsync(cancel));

    private static async Task<Results<Ok<Pool>, ProblemHttpResult>> FindAsync(string pool, PoolStore store, CancellationToken cancel) =>
        PoolName.IsValid(pool) && await store.FindAsync(pool, cancel) is { } found ? TypedResults.Ok(found) : Problems.UnknownPool(pool);

    private static async Task<Results<NoContent, ValidationProblem, ProblemHttpResult>> PutAsync(
        string pool, PoolSettings settings, PoolStore store, ClaimsPrincipal admin, CancellationToken cancel)
    {
        if (!PoolName.IsValid(pool))
        {
            return Problems.Invalid("pool", PoolName.Rule);
        }
        return await store.PutAsync(pool, settings, admin.Actor(), cancel)
            ? TypedResults.NoContent()
            : Problems.PoolIsFor(pool, rehearsal: !settings.Rehearsal);
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(
        string pool, PoolStore store, ClaimsPrincipal admin, CancellationToken cancel)
    {
        if (!PoolName.IsValid(pool))
        {
            return Problems.UnknownPool(pool);
        }
        return await store.DeleteAsync(pool, admin.Actor(), cancel) switch
        {
            PoolDeletion.Deleted => TypedResults.NoContent(),
            PoolDeletion.InUse => Problems.PoolInUse(pool),
            PoolDeletion.IsDefault => Problems.DefaultPool,
            _ => Problems.UnknownPool(pool),
        };
    }
}
