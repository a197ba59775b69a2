using System.Security.Claims;
using Allocator.Api.Fleet;
using Allocator.Api.Security;
using Allocator.Api.Web;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Allocator.Api.Assignments;

/// <summary>What people ask for, what VMs say came of it, and what admins see of both.</summary>
internal static class AssignmentEndpoints
{
    public static void MapAssignments(this IEndpointRouteBuilder routes)
    {
        var people = routes.MapGroup("/assignments").WithTags("People")
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        people.MapPost("/", AskAsync)
            .WithName("Ask").WithSummary("Ask for a VM")
            .WithDescription("202: you are in the queue; 200: you had asked before, and this is what you have. The next free VM that polls takes the first in the queue.")
            .Validate<AssignmentRequest>()
            .ProducesProblem(StatusCodes.Status403Forbidden)
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict);

        people.MapGet("/{id:guid}", FindAsync)
            .WithName("FindAssignment").WithSummary("Where my assignment is")
            .Produces(StatusCodes.Status304NotModified)
            .ProducesProblem(StatusCodes.Status404NotFound);

        people.MapDelete("/{id:guid}", EndAsync)
            .WithName("EndAssignment").WithSummary("Leave the queue, or give the VM back")
            .ProducesProblem(StatusCodes.Status404NotFound);

        routes.MapGet("/assignments", ListAsync)
            .WithName("ListAssignments").WithTags("Admins").WithSummary("Assignments, by id")
            .RequireAuthorization(AdminAuthentication.Name)
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        routes.MapPut("/assignment/{hostname}/outcome", ReportOutcomeAsync)
            .WithName("ReportOutcome").WithTags("VMs").WithSummary("How the VM fared with what it was told")
            .RequireAuthorization(VmAuthentication.Name)
            .Validate<OutcomeReport>()
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status403Forbidden)
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);
    }

    private static async Task<Results<Accepted<Assignment>, Ok<Assignment>, ProblemHttpResult>> AskAsync(
        AssignmentRequest request, AssignmentStore store, VmFleet fleet, HttpResponse response, CancellationToken cancel)
    {
        var pool = request.Pool ?? Pools.PoolName.Default;
        var code = string.IsNullOrWhiteSpace(request.Command) ? null : CommandLine.Code(request.Command);
        var outcome = await store.AskAsync(pool, request.Email!.Trim().Normalize(), code, request.AccessCode, cancel);
        switch (outcome)
        {
            case AskOutcome.Asked asked:
                fleet.FindPool(pool)?.SomebodyAsked();
                return TypedResults.Accepted($"/assignments/{asked.Assignment.Id}", asked.Assignment);
            case AskOutcome.AskedBefore before:
                response.Headers.Location = $"/assignments/{before.Assignment.Id}";
                return TypedResults.Ok(before.Assignment);
            case AskOutcome.PoolClosed:
                return Problems.PoolClosed(pool);
            case AskOutcome.WrongAccessCode:
                return Problems.WrongAccessCode(pool);
            default:
                return Problems.UnknownPool(pool);
        }
    }

    private static async Task<Results<Ok<Assignment>, StatusCodeHttpResult, ProblemHttpResult>> FindAsync(
        Guid id, AssignmentStore store, HttpContext context, CancellationToken cancel)
    {
        if (await store.FindAsync(id, cancel) is not var (assignment, etag))
        {
            return Problems.UnknownAssignment;
        }
        context.Response.Headers.ETag = etag;
        context.Response.Headers.CacheControl = "private, no-cache";
        return context.Request.Headers.IfNoneMatch == etag
            ? TypedResults.StatusCode(StatusCodes.Status304NotModified)
            : TypedResults.Ok(assignment);
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> EndAsync(Guid id, AssignmentStore store, CancellationToken cancel) =>
        await store.EndAsync(id, "person", cancel) ? TypedResults.NoContent() : Problems.UnknownAssignment;

    private static async Task<Results<Ok<Page<Assignment>>, ValidationProblem>> ListAsync(
        AssignmentStore store, CancellationToken cancel, string? pool = null, OneOf<AssignmentState>? state = null, Guid? after = null, int limit = Limits.UsualPage)
    {
        if (Limits.Wrong(pool, limit) is { } wrong)
        {
            return wrong;
        }
        var page = await store.ListAsync(pool, state?.Value, after, limit, cancel);
        return TypedResults.Ok(new Page<Assignment>(page, page.Count == limit ? page[^1].Id.ToString() : null));
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> ReportOutcomeAsync(
        string hostname, OutcomeReport report, OutcomeStore store, FleetStore fleetStore, VmFleet fleet, ClaimsPrincipal vm, CancellationToken cancel)
    {
        if (!await store.ReportAsync(vm.Identity!.Name!, report, cancel))
        {
            return Problems.GenerationOver(hostname, report.Generation!.Value);
        }
        await fleetStore.RefreshAsync(vm.Identity.Name!, fleet, cancel);
        return TypedResults.NoContent();
    }
}
