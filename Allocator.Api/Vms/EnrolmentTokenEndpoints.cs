using System.Security.Claims;
using Allocator.Api.Security;
using Allocator.Api.Web;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Allocator.Api.Vms;

/// <summary>The calls by which admins admit single machines without sharing the deployment's own enrolment token.</summary>
internal static class EnrolmentTokenEndpoints
{
    public static void MapEnrolmentTokens(this IEndpointRouteBuilder routes)
    {
        var tokens = routes.MapGroup("/enrolment-tokens").WithTags("Admins")
            .RequireAuthorization(Callers.Admin)
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        tokens.MapPost("/", MakeAsync).WithName("MakeEnrolmentTokens").WithSummary("Create enrolment tokens")
            .WithDescription(
                "The tokens are shown only once; the allocator stores their hashes. If the answer is lost, delete the tokens or let them expire.")
            .NeverStored()
            .Validate<EnrolmentTokenRequest>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        tokens.MapGet("/", ListAsync).WithName("ListEnrolmentTokens").WithSummary("List enrolment tokens without their secrets, oldest first")
            .ProducesValidationProblem();
        tokens.MapDelete("/{id:guid}", DeleteAsync).WithName("DeleteEnrolmentToken").WithSummary("Revoke an enrolment token")
            .WithDescription("VMs enrolled with it are kept.")
            .ProducesProblem(StatusCodes.Status404NotFound);
    }

    private static async Task<Results<Created<NewEnrolmentTokens>, ValidationProblem, ProblemHttpResult>> MakeAsync(
        EnrolmentTokenRequest request, EnrolmentTokenStore store, ClaimsPrincipal admin, HttpResponse response, CancellationToken cancel)
    {
        switch (await store.MakeAsync(request, admin.Actor(), cancel))
        {
            case MakingOutcome.Made made:
                response.Headers.CacheControl = "no-store";
                return TypedResults.Created((string?)null, new NewEnrolmentTokens(made.Tokens));
            case MakingOutcome.AlreadyExpired:
                return Problems.Invalid("expiresAt", "in the future");
            default:
                return Problems.UnknownPool(request.Pool!);
        }
    }

    private static async Task<Results<Ok<Page<EnrolmentToken>>, ValidationProblem>> ListAsync(
        EnrolmentTokenStore store, CancellationToken cancel,
        string? pool = null, Hostname? hostname = null, Guid? after = null, int limit = Limits.DefaultPage)
    {
        if (Limits.Validate(pool, limit) is { } invalid)
        {
            return invalid;
        }
        var page = await store.ListAsync(pool, hostname?.ToString(), after ?? Guid.Empty, limit, cancel);
        return TypedResults.Ok(new Page<EnrolmentToken>(page, page.Count == limit ? $"{page[^1].Id}" : null));
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(
        Guid id, EnrolmentTokenStore store, ClaimsPrincipal admin, CancellationToken cancel) =>
        await store.DeleteAsync(id, admin.Actor(), cancel) ? TypedResults.NoContent() : Problems.UnknownEnrolmentToken(id);
}
