using System.Globalization;
using System.Security.Claims;
using Allocator.Api.Data;
using Allocator.Api.Fleet;
using Allocator.Api.Security;
using Allocator.Api.Web;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Allocator.Api.Assignments;

/// <summary>The calls by which people request VMs, and by which VMs report how that went.</summary>
internal static class AssignmentEndpoints
{
    public static void MapAssignments(this IEndpointRouteBuilder routes)
    {
        var people = routes.MapGroup("/assignments").WithTags("People")
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        people.MapPost("/", AskAsync)
            .WithName("Ask").WithSummary("Request a VM")
            .WithDescription(
                "202: the person joined the queue; 200: the person already has this assignment. "
                + "The next free VM that polls takes the first person in the queue.")
            .NeverStored()
            .Validate<AssignmentRequest>()
            .WithIdempotencyKey()
            .ProducesProblem(StatusCodes.Status403Forbidden)
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status429TooManyRequests);

        people.MapGet("/{id:guid}", FindAsync)
            .WithName("FindAssignment").WithSummary("Show an assignment")
            .NeverStored()
            .Produces(StatusCodes.Status304NotModified)
            .ProducesProblem(StatusCodes.Status404NotFound);

        people.MapDelete("/{id:guid}", EndAsync)
            .WithName("EndAssignment").WithSummary("Leave the queue, or give the VM back")
            .ProducesProblem(StatusCodes.Status404NotFound);

        routes.MapPut("/assignment/{hostname}/outcome", ReportOutcomeAsync)
            .WithName("ReportOutcome").WithTags("VMs").WithSummary("Report the result of an assignment or cleanup")
            .RequireAuthorization(Callers.Vm)
            .Validate<OutcomeReport>()
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status403Forbidden)
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status410Gone)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);
    }

    private static async Task<Results<Accepted<Assignment>, Ok<Assignment>, ProblemHttpResult>> AskAsync(
        AssignmentRequest request, AssignmentStore store, WaitEstimate estimate, VmFleet fleet, HttpResponse response, CancellationToken cancel)
    {
        var pool = request.Pool ?? PoolName.Default;
        var code = string.IsNullOrWhiteSpace(request.Command) ? null : RemoteDesktopCode.Code(request.Command);
        var address = response.HttpContext.Connection.RemoteIpAddress is { } remote ? AddressPrefix.Of(remote).ToAddress() : null;
        var outcome = await store.AskAsync(pool, EmailKey.Normalise(request.Email!), code, request.AccessCode, address, cancel);
        switch (outcome)
        {
            case AskOutcome.Asked { Assignment: var asked }:
                fleet.FindPool(pool)?.AddWaiting();
                return TypedResults.Accepted($"/assignments/{asked.Id}", await WithEstimateAsync(asked, estimate, cancel));
            case AskOutcome.AskedBefore { Assignment: var before }:
                response.Headers.Location = $"/assignments/{before.Id}";
                return TypedResults.Ok(await WithEstimateAsync(before, estimate, cancel));
            case AskOutcome.PoolClosed closed:
                return Problems.PoolClosed(pool, closed.OpensAt);
            case AskOutcome.WrongAccessCode:
                return Problems.WrongAccessCode(pool);
            case AskOutcome.WrongDomain:
                return Problems.WrongDomain(pool);
            case AskOutcome.NotOnRoster:
                return Problems.NotOnRoster(pool);
            case AskOutcome.TooManyFromAddress:
                return Problems.TooManyFromAddress(pool);
            default:
                return Problems.UnknownPool(pool);
        }
    }

    private static async Task<Assignment> WithEstimateAsync(Assignment assignment, WaitEstimate estimate, CancellationToken cancel) =>
        assignment.Position is { } position
            ? assignment with { EstimatedWaitSeconds = await estimate.SecondsAsync(assignment.Pool, position, cancel) }
            : assignment;

    private static async Task<Results<Ok<Assignment>, StatusCodeHttpResult, ProblemHttpResult>> FindAsync(
        Guid id, AssignmentStore store, WaitEstimate estimate, HttpContext context, CancellationToken cancel)
    {
        if (await store.FindAsync(id, cancel) is not var (assignment, version))
        {
            return Problems.UnknownAssignment;
        }
        assignment = await WithEstimateAsync(assignment, estimate, cancel);
        var etag = string.Create(CultureInfo.InvariantCulture, $"\"{version}e{assignment.EstimatedWaitSeconds}w{assignment.WarnAt?.Ticks}\"");
        context.Response.Headers.ETag = etag;
        return context.Request.Headers.IfNoneMatch == etag
            ? TypedResults.StatusCode(StatusCodes.Status304NotModified)
            : TypedResults.Ok(assignment);
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> EndAsync(Guid id, AssignmentStore store, CancellationToken cancel) =>
        await store.EndAsync(id, Actors.Person, cancel) ? TypedResults.NoContent() : Problems.UnknownAssignment;

    private static async Task<Results<NoContent, ProblemHttpResult>> ReportOutcomeAsync(
        string hostname, OutcomeReport report, OutcomeStore store, FleetRefresh fleet, ClaimsPrincipal vm, CancellationToken cancel)
    {
        // A report of a failure is not refused for the characters that the failing program printed.
        report = report with
        {
            ConnectUrl = report.ConnectUrl is { } url ? OutcomeReport.CanonicalConnectUrl(url) : null,
            Detail = report.Detail is { } detail ? PlainText.Strip(detail) : null,
        };
        if (!await store.ReportAsync(vm.Identity!.Name!, report, cancel))
        {
            return Problems.GenerationOver(hostname, report.Generation!.Value);
        }
        await fleet.TryRefreshAsync(vm.Identity.Name!, cancel);
        return TypedResults.NoContent();
    }
}
