using System.Security.Claims;
using Allocator.Api.Fleet;
using Allocator.Api.Pools;
using Allocator.Api.Security;
using Allocator.Api.Web;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Allocator.Api.Vms;

/// <summary>How VMs join and what they say of themselves; what admins see of them.</summary>
internal static class VmEndpoints
{
    public static void MapVms(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/vms", EnrolAsync)
            .WithName("Enrol").WithTags("VMs").WithSummary("A machine joins the fleet")
            .WithDescription("The same machine again gets a fresh token, and the old one dies.")
            .RequireAuthorization(EnrolmentAuthentication.Name)
            .Validate<EnrolmentRequest>()
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        routes.MapPut("/vms/{hostname}/report", ReportAsync)
            .WithName("ReportVm").WithTags("VMs").WithSummary("What changed on the VM")
            .RequireAuthorization(VmAuthentication.Name)
            .Validate<VmReport>()
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status403Forbidden)
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        var admins = routes.MapGroup("/vms").WithTags("Admins")
            .RequireAuthorization(AdminAuthentication.Name)
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        admins.MapGet("/", ListAsync).WithName("ListVms").WithSummary("VMs, by host name").ProducesValidationProblem();
        admins.MapGet("/{hostname}", FindAsync).WithName("FindVm").WithSummary("One VM, and why it is or is not free")
            .ProducesProblem(StatusCodes.Status404NotFound);
    }

    private static async Task<Results<Created<Enrolment>, ProblemHttpResult>> EnrolAsync(
        EnrolmentRequest request, VmStore store, CancellationToken cancel)
    {
        var hostname = Hostname.Normalise(request.Hostname!);
        var pool = request.Pool ?? PoolName.Default;
        var token = VmToken.Create(hostname);
        return await store.EnrolAsync(request, hostname, pool, TokenHash.Of(token), cancel) switch
        {
            EnrolmentOutcome.Enrolled enrolled => TypedResults.Created($"/vms/{hostname}", new Enrolment(hostname, enrolled.Pool, token)),
            EnrolmentOutcome.MachineConflict => Problems.MachineConflict(hostname),
            _ => Problems.UnknownPool(pool),
        };
    }

    private static async Task<NoContent> ReportAsync(
        string hostname, VmReport report, VmStore store, FleetStore fleetStore, VmFleet fleet, ClaimsPrincipal vm, CancellationToken cancel)
    {
        await store.ReportAsync(vm.Identity!.Name!, report, cancel);
        await fleetStore.RefreshAsync(vm.Identity.Name!, fleet, cancel);
        return TypedResults.NoContent();
    }

    private static async Task<Results<Ok<Page<Vm>>, ValidationProblem>> ListAsync(
        VmStore store, CancellationToken cancel, string? pool = null, OneOf<VmState>? state = null, string? after = null, int limit = Limits.UsualPage)
    {
        if (Limits.Wrong(pool, limit) is { } wrong)
        {
            return wrong;
        }
        if (after is not null && !Hostname.IsValid(after))
        {
            return Problems.Invalid("after", "the 'next' of the page before");
        }
        var page = await store.ListAsync(pool, state?.Value, Hostname.Normalise(after ?? ""), limit, cancel);
        return TypedResults.Ok(new Page<Vm>(page, page.Count == limit ? page[^1].Hostname : null));
    }

    private static async Task<Results<Ok<VmDetail>, ProblemHttpResult>> FindAsync(string hostname, VmStore store, CancellationToken cancel) =>
        Hostname.IsValid(hostname) && await store.FindAsync(Hostname.Normalise(hostname), cancel) is { } vm
            ? TypedResults.Ok(vm with { NotFreeBecause = NotFree.Reasons(vm) })
            : Problems.UnknownVm(hostname);
}
