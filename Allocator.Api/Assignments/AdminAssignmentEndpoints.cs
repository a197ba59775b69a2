using System.Security.Claims;
using Allocator.Api.Fleet;
using Allocator.Api.Security;
using Allocator.Api.Vms;
using Allocator.Api.Web;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace Allocator.Api.Assignments;

/// <summary>The calls by which admins list, move, extend and release assignments.</summary>
internal static class AdminAssignmentEndpoints
{
    private static readonly CsvColumn<Assignment>[] CsvColumns =
    [
        new("id", assignment => assignment.Id),
        new("pool", assignment => assignment.Pool),
        new("email", assignment => assignment.Email),
        new("state", assignment => assignment.State),
        new("position", assignment => assignment.Position),
        new("hostname", assignment => assignment.Hostname),
        new("connectUrl", assignment => assignment.ConnectUrl),
        new("attempts", assignment => assignment.Attempts),
        new("requestedAt", assignment => assignment.RequestedAt),
        new("assignedAt", assignment => assignment.AssignedAt),
        new("connectedAt", assignment => assignment.ConnectedAt),
        new("expiresAt", assignment => assignment.ExpiresAt),
        new("endedAt", assignment => assignment.EndedAt),
        new("endReason", assignment => assignment.EndReason),
    ];

    public static void MapAdminAssignments(this IEndpointRouteBuilder routes)
    {
        var admins = routes.MapGroup("").WithTags("Admins")
            .RequireAuthorization(Callers.Admin)
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        admins.MapGet("/assignments", ListAsync)
            .WithName("ListAssignments").WithSummary("List assignments in the order of their requests")
            .WithDescription(
                "An assignment must match all given filters. CSV output contains all assignments after 'after', regardless of the limit.")
            .AlsoAsCsv()
            .ProducesValidationProblem();

        admins.MapPost("/assignments/{id:guid}/move", MoveAsync)
            .WithName("MoveAssignment").WithSummary("Move a person to another VM within the same assignment")
            .WithDescription("Without a host name, the person moves to any free VM of the pool. 200 is also the answer if there was nothing to do.")
            .Validate<MoveRequest>()
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status410Gone);

        admins.MapPost("/assignments/{id:guid}/extend", ExtendAsync)
            .WithName("ExtendAssignment").WithSummary("Extend an assignment, or set its end")
            .WithDescription("Repeating a request with 'by' extends the assignment again, unless both have the same Idempotency-Key.")
            .Validate<ExtensionRequest>()
            .WithIdempotencyKey()
            .ProducesProblem(StatusCodes.Status404NotFound);

        admins.MapPost("/assignments/release", ReleaseAsync)
            .WithName("ReleaseAssignments").WithSummary("End many assignments: those in the queue are cancelled, the others released")
            .Validate<AssignmentSelection>()
            .WithMetadata(new RequestSizeLimitAttribute(Limits.MaxList));

        admins.MapPost("/vms/{hostname}/assign", AssignAsync)
            .WithName("AssignVm").WithSummary("Assign a person to this VM, bypassing pool admission rules")
            .WithDescription(
                "201: the VM was assigned; 200: the person already had it. A held VM can be assigned, since admins set holds themselves.")
            .Validate<VmAssignmentRequest>()
            .WithIdempotencyKey()
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status410Gone);
    }

    private static async Task<Results<Ok<Page<Assignment>>, ValidationProblem, CsvResult<Assignment>>> ListAsync(
        HttpRequest request, AssignmentStore store, CancellationToken cancel,
        string? pool = null, EnumQuery<AssignmentState>? state = null, Hostname? hostname = null, string? email = null, string? text = null,
        Guid? after = null, int limit = Limits.DefaultPage)
    {
        if (Limits.Validate(pool, limit, text) is { } invalid)
        {
            return invalid;
        }
        if (!Limits.IsSearchText(email))
        {
            return Problems.Invalid("email", "an e-mail address");
        }
        var filter = new AssignmentFilter(pool, state?.Value, hostname, email, text);
        if (Csv.IsWanted(request))
        {
            return new CsvResult<Assignment>(CsvColumns, (last, cancel) => store.ListAsync(filter, last?.Id ?? after, Limits.MaxPage, cancel));
        }
        var page = await store.ListAsync(filter, after, limit, cancel);
        return TypedResults.Ok(new Page<Assignment>(page, page.Count == limit ? page[^1].Id.ToString() : null));
    }

    private static async Task<Results<Ok<Assignment>, ProblemHttpResult>> MoveAsync(
        Guid id, MoveRequest move, AdminAssignmentStore store, AssignmentStore assignments, VmStore vms, FleetRefresh fleet,
        ClaimsPrincipal admin, CancellationToken cancel)
    {
        var hostname = Hostname.Of(move.Hostname);
        switch (await store.MoveAsync(id, hostname, Hostname.Of(move.From), admin.Actor(), cancel))
        {
            case MoveOutcome.Moved moved:
                await RefreshAsync(moved, fleet, cancel);
                return TypedResults.Ok(await FindAsync(id, assignments, cancel));
            case MoveOutcome.Unchanged:
                return TypedResults.Ok(await FindAsync(id, assignments, cancel));
            case MoveOutcome.AssignmentEnded:
                return Problems.AssignmentEnded;
            case MoveOutcome.NoVm:
                var pool = (await FindAsync(id, assignments, cancel)).Pool;
                return hostname is { } wanted ? await WhyNotAsync(wanted, pool, vms, cancel) : Problems.NoFreeVm(pool);
            default:
                return Problems.UnknownAssignment;
        }
    }

    private static async Task<Results<Created<Assignment>, Ok<Assignment>, ProblemHttpResult>> AssignAsync(
        Hostname hostname, VmAssignmentRequest request, AdminAssignmentStore store, AssignmentStore assignments, VmStore vms, FleetRefresh fleet,
        ClaimsPrincipal admin, CancellationToken cancel)
    {
        if (await VmEndpoints.MissingAsync(hostname, vms, cancel) is { } missing)
        {
            return missing;
        }
        var code = string.IsNullOrWhiteSpace(request.Command) ? null : RemoteDesktopCode.Code(request.Command);
        switch (await store.AssignAsync(hostname, request.Email!, code, admin.Actor(), cancel))
        {
            case MoveOutcome.Moved moved:
                await RefreshAsync(moved, fleet, cancel);
                return TypedResults.Created($"/assignments/{moved.Id}", await FindAsync(moved.Id, assignments, cancel));
            case MoveOutcome.Unchanged unchanged:
                return TypedResults.Ok(await FindAsync(unchanged.Id, assignments, cancel));
            case MoveOutcome.HasAnotherVm elsewhere:
                return Problems.PersonHasVm(elsewhere.Hostname, elsewhere.Id);
            default:
                return await WhyNotAsync(hostname, null, vms, cancel);
        }
    }

    private static async Task<Results<Ok<Assignment>, ProblemHttpResult, ValidationProblem>> ExtendAsync(
        Guid id, ExtensionRequest extension, IdempotencyKey? key, AdminAssignmentStore store, AssignmentStore assignments, ClaimsPrincipal admin,
        CancellationToken cancel) =>
        await store.ExtendAsync(id, extension, admin.Actor(), key, cancel) switch
        {
            ExtensionOutcome.Extended => TypedResults.Ok(await FindAsync(id, assignments, cancel)),
            ExtensionOutcome.EndsInThePast => Problems.Invalid(extension.By is null ? "expiresAt" : "by", "so that the end is in the future"),
            ExtensionOutcome.HasNoEnd => Problems.NoEnd,
            _ => await assignments.FindAsync(id, cancel) is null ? Problems.UnknownAssignment : Problems.AssignmentEnded,
        };

    private static async Task<Ok<Touched<TouchedAssignment>>> ReleaseAsync(
        AssignmentSelection selection, AdminAssignmentStore store, ClaimsPrincipal admin, CancellationToken cancel)
    {
        var touched = await store.ReleaseAsync(new AssignmentFilter(selection), admin.Actor(), selection.DryRun, cancel);
        return TypedResults.Ok(new Touched<TouchedAssignment>(selection.DryRun, touched.Count, [.. touched.Take(Limits.MaxPage)]));
    }

    private static async Task RefreshAsync(MoveOutcome.Moved moved, FleetRefresh fleet, CancellationToken cancel)
    {
        await fleet.TryRefreshAsync(moved.Hostname, cancel);
        if (moved.From is not null)
        {
            await fleet.TryRefreshAsync(moved.From, cancel);
        }
    }

    /// <summary>Reads the assignment for an admin, without the PIN, which only the person may see.</summary>
    private static async Task<Assignment> FindAsync(Guid id, AssignmentStore assignments, CancellationToken cancel) =>
        (await assignments.FindAsync(id, cancel))!.Value.Assignment with { Pin = null };

    private static async Task<ProblemHttpResult> WhyNotAsync(Hostname hostname, string? pool, VmStore vms, CancellationToken cancel) =>
        await VmEndpoints.MissingAsync(hostname, vms, cancel) is { } missing ? missing
        : await vms.FindAsync(hostname, cancel) is not { } vm ? Problems.UnknownVm(hostname)
        : pool is not null && vm.Pool != pool ? Problems.VmOfAnotherPool(hostname, vm.Pool)
        : Problems.VmNotFree(vm);
}
