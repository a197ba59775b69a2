using System.Security.Claims;
using Allocator.Api.Fleet;
using Allocator.Api.Security;
using Allocator.Api.Web;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace Allocator.Api.Vms;

/// <summary>The calls by which admins hold, drain, release and delete VMs.</summary>
internal static class VmAdminEndpoints
{
    private delegate Task<List<TouchedVm>> Change(VmAdminStore store, VmFilter filter, string actor, bool dryRun, CancellationToken cancel);

    public static void MapHolds(this IEndpointRouteBuilder routes)
    {
        var vms = routes.MapGroup("/vms").WithTags("Admins")
            .RequireAuthorization(Callers.Admin)
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        Map(vms, "hold", "Hold: assign nobody new; the current person keeps the VM", Hold(VmHold.Held));
        Map(vms, "unhold", "Return to the pool, also if draining or retired", Hold(null));
        Map(vms, "drain", "Drain: assign nobody new, and retire when free", Hold(VmHold.Draining));
        Map(vms, "release", "End the assignment; the VM is cleaned before the next person gets it",
            (store, filter, actor, dryRun, cancel) => store.ReleaseAsync(filter, actor, dryRun, cancel));

        vms.MapDelete("/{hostname}", DeleteAsync).WithName("DeleteVm").WithSummary("Delete a VM and revoke its token")
            .WithDescription("The events of the VM are kept. A machine that enrols can reuse the name.")
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict);
    }

    private static Change Hold(VmHold? hold) => (store, filter, actor, dryRun, cancel) => store.HoldAsync(filter, hold, actor, dryRun, cancel);

    private static void Map(RouteGroupBuilder vms, string verb, string summary, Change change)
    {
        var name = char.ToUpperInvariant(verb[0]) + verb[1..];
        vms.MapPost($"/{{hostname}}/{verb}", async Task<Results<NoContent, ProblemHttpResult>> (
                Hostname hostname, VmAdminStore store, VmStore vmStore, FleetRefresh fleet, ClaimsPrincipal admin, CancellationToken cancel) =>
            {
                if (await VmEndpoints.MissingAsync(hostname, vmStore, cancel) is { } missing)
                {
                    return missing;
                }
                await change(store, VmFilter.Of(hostname), admin.Actor(), false, cancel);
                await fleet.TryRefreshAsync(hostname, cancel);
                return TypedResults.NoContent();
            })
            .WithName($"{name}Vm").WithSummary($"One VM: {summary}")
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status410Gone);

        vms.MapPost($"/{verb}", async Task<Ok<Touched<TouchedVm>>> (
                VmSelection selection, VmAdminStore store, ClaimsPrincipal admin, CancellationToken cancel) =>
            {
                var touched = await change(store, new VmFilter(selection), admin.Actor(), selection.DryRun, cancel);
                return TypedResults.Ok(new Touched<TouchedVm>(selection.DryRun, touched.Count, [.. touched.Take(Limits.MaxPage)]));
            })
            .WithName($"{name}Vms").WithSummary($"Many VMs: {summary}")
            .Validate<VmSelection>()
            .WithMetadata(new RequestSizeLimitAttribute(Limits.MaxList));
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(
        Hostname hostname, VmAdminStore store, FleetRefresh fleet, ClaimsPrincipal admin, CancellationToken cancel)
    {
        switch (await store.DeleteAsync(hostname, admin.Actor(), cancel))
        {
            case DeletionOutcome.UnknownVm:
                return Problems.UnknownVm(hostname);
            case DeletionOutcome.HasPerson:
                return Problems.VmHasPerson(hostname);
            default:
                await fleet.TryRefreshAsync(hostname, cancel);
                return TypedResults.NoContent();
        }
    }
}
