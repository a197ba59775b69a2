using System.Security.Claims;
using Allocator.Api.Fleet;
using Allocator.Api.Security;
using Allocator.Api.Vms;
using Allocator.Api.Web;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace Allocator.Api.Assignments;

/// <summary>What admins see of assignments, and do to them.</summary>
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
            .RequireAuthorization(AdminAuthentication.Name)
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        admins.MapGet("/assignments", ListAsync)
            .WithName("ListAssignments").WithSummary("Assignments, in the order of their requests")
            .WithDescription("All filters that are given must fit. As CSV: everything from 'after' on, whatever the limit.")
            .AlsoAsCsv()
            .ProducesValidationProblem();

        admins.MapPost("/assignments/{id:guid}/move", MoveAsync)
            .WithName("MoveAssignment").WithSummary("Move a person to another VM; their assignment stays the same")
            .WithDescription("200 also where there was nothing to do. Without a hostname: to a free VM of the pool, or not at all.")
            .Validate<MoveRequest>()
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status410Gone);

        admins.MapPost("/assignments/{id:guid}/extend", ExtendAsync)
            .WithName("ExtendAssignment").WithSummary("Give a person more time, or another end")
            .Validate<ExtensionRequest>()
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict);

        admins.MapPost("/assignments/release", ReleaseAsync)
            .WithName("ReleaseAssignments").WithSummary("End many assignments: the waiting are cancelled, the others released")
            .Validate<AssignmentSelection>()
            .WithMetadata(new RequestSizeLimitAttribute(Limits.MaxList));

        admins.MapPost("/vms/{hostname}/assign", AssignAsync)
            .WithName("AssignVm").WithSummary("Put a person on this very VM, whatever the pool's door says")
            .WithDescription("201: they have it now; 200: they had it already. A held VM will do: the hold is the admin's own word.")
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
        var which = new AssignmentFilter(pool, state?.Value, hostname, email, text);
        if (Csv.IsWanted(request))
        {
            return new CsvResult<Assignment>(CsvColumns, (last, cancel) => store.ListAsync(which, last?.Id ?? after, Limits.MaxPage, cancel));
        }
        var page = await store.ListAsync(which, after, limit, cancel);
        return TypedResults.Ok(new Page<Assignment>(page, page.Count == limit ? page[^1].Id.ToString() : null));
    }

    private static async Task<Results<Ok<Assignment>, ProblemHttpResult>> MoveAsync(
        Guid id, MoveRequest move, AdminAssignmentStore store, AssignmentStore assignments, VmStore vms, FleetStore fleetStore, VmFleet fleet,
        ClaimsPrincipal admin, CancellationToken cancel)
    {
        var hostname = Hostname.Of(move.Hostname);
        switch (await store.MoveAsync(id, hostname, Hostname.Of(move.From), admin.Actor(), cancel))
        {
            case MoveOutcome.Moved moved:
                await RefreshAsync(moved, fleetStore, fleet, cancel);
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
        Hostname hostname, VmAssignmentRequest request, AdminAssignmentStore store, AssignmentStore assignments,
            VmStore vms, FleetStore fleetStore, VmFleet fleet,
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
                await RefreshAsync(moved, fleetStore, fleet, cancel);
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
        Guid id, ExtensionRequest extension, AdminAssignmentStore store, AssignmentStore assignments,
            ClaimsPrincipal admin, CancellationToken cancel) =>
        await store.ExtendAsync(id, extension.ExpiresAt, extension.By, admin.Actor(), cancel) switch
        {
            "extended" => TypedResults.Ok(await FindAsync(id, assignments, cancel)),
            "past" => Problems.Invalid(extension.By is null ? "expiresAt" : "by", "so that the end is in the future"),
            "no_end" => Problems.NoEnd,
            _ => await assignments.FindAsync(id, cancel) is null ? Problems.UnknownAssignment : Problems.AssignmentEnded,
        };

    private static async Task<Ok<Touched<TouchedAssignment>>> ReleaseAsync(
        AssignmentSelection selection, AdminAssignmentStore store, ClaimsPrincipal admin, CancellationToken cancel)
    {
        var touched = await store.ReleaseAsync(new AssignmentFilter(selection), admin.Actor(), selection.DryRun, cancel);
        return TypedResults.Ok(new Touched<TouchedAssignment>(selection.DryRun, touched.Count, [.. touched.Take(Limits.MaxPage)]));
    }

    /// <summary>Both VMs have news; this replica need not wait for the feed to tell them.</summary>
    private static async Task RefreshAsync(MoveOutcome.Moved moved, FleetStore store, VmFleet fleet, CancellationToken cancel)
    {
        await store.RefreshAsync(moved.Hostname, fleet, cancel);
        if (moved.From is not null)
        {
            await store.RefreshAsync(moved.From, fleet, cancel);
        }
    }

    /// <summary>For the admin: without the PIN, which is the person's own.</summary>
    private static async Task<Assignment> FindAsync(Guid id, AssignmentStore assignments, CancellationToken cancel) =>
        (await assignments.FindAsync(id, cancel))!.Value.Assignment with { Pin = null };

    private static async Task<ProblemHttpResult> WhyNotAsync(Hostname hostname, string? pool, VmStore vms, CancellationToken cancel) =>
        await VmEndpoints.MissingAsync(hostname, vms, cancel) is { } missing ? missing
        : await vms.FindAsync(hostname, cancel) is not { } vm ? Problems.UnknownVm(hostname)
        : pool is not null && vm.Pool != pool ? Problems.VmOfAnotherPool(hostname, vm.Pool)
        : Problems.VmNotFree(vm);
}
