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
            .RequireAuthorization(AdminAuthentication.Name)
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        pools.MapGet("/", ListAsync).WithName("ListPools").WithSummary("All pools at a glance");
        pools.MapGet("/{pool}", FindAsync).WithName("FindPool").WithSummary("One pool at a glance")
            .ProducesProblem(StatusCodes.Status404NotFound);
        pools.MapPut("/{pool}", PutAsync).WithName("PutPool").WithSummary("Make a pool, or say how it is to be")
            .Validate<PoolSettings>();
    }

    private static async Task<Ok<IReadOnlyList<Pool>>> ListAsync(PoolStore store, CancellationToken cancel) =>
        TypedResults.Ok(await store.ListAsync(cancel));

    private static async Task<Results<Ok<Pool>, ProblemHttpResult>> FindAsync(string pool, PoolStore store, CancellationToken cancel) =>
        PoolName.IsValid(pool) && await store.FindAsync(pool, cancel) is { } found ? TypedResults.Ok(found) : Problems.UnknownPool(pool);

    private static async Task<Results<NoContent, ValidationProblem>> PutAsync(
        string pool, PoolSettings settings, PoolStore store, ClaimsPrincipal admin, CancellationToken cancel)
    {
        if (!PoolName.IsValid(pool))
        {
            return Problems.Invalid("pool", PoolName.Rule);
        }
        await store.PutAsync(pool, settings, admin.Actor(), cancel);
        return TypedResults.NoContent();
    }
}
