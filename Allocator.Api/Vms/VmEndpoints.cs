using System.Security.Claims;
using Allocator.Api.Fleet;
using Allocator.Api.Security;
using Allocator.Api.Web;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Allocator.Api.Vms;

/// <summary>The calls by which VMs enrol and report, and by which admins list VMs.</summary>
internal static class VmEndpoints
{
    private static readonly CsvColumn<Vm>[] CsvColumns =
    [
        new("hostname", vm => vm.Hostname),
        new("pool", vm => vm.Pool),
        new("state", vm => vm.State),
        new("status", vm => vm.Status),
        new("presence", vm => vm.Presence),
        new("hold", vm => vm.Hold),
        new("gpu", vm => vm.Gpu),
        new("inUse", vm => vm.InUse),
        new("free", vm => vm.Free),
        new("email", vm => vm.Email),
        new("assignmentId", vm => vm.AssignmentId),
        new("enrolledAt", vm => vm.EnrolledAt),
        new("polledAt", vm => vm.PolledAt),
    ];

    public static void MapVms(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/vms", EnrolAsync)
            .WithName("Enrol").WithTags("VMs").WithSummary("Enrol a machine")
            .WithDescription(
                "A machine that enrols again gets a new token, which replaces the old one. "
                + "Only a successful call uses up a token of POST /enrolment-tokens.")
            .RequireAuthorization(Callers.Enrolment)
            .NeverStored()
            .Validate<EnrolmentRequest>()
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status403Forbidden)
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        routes.MapPut("/vms/{hostname}/report", ReportAsync)
            .WithName("ReportVm").WithTags("VMs").WithSummary("Report what changed on the VM")
            .RequireAuthorization(Callers.Vm)
            .Validate<VmReport>()
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status403Forbidden)
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status410Gone)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        var admins = routes.MapGroup("/vms").WithTags("Admins")
            .RequireAuthorization(Callers.Admin)
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        admins.MapGet("/", ListAsync).WithName("ListVms").WithSummary("List VMs, sorted by host name")
            .WithDescription("A VM must match all given filters. CSV output contains all VMs after 'after', regardless of the limit.")
            .AlsoAsCsv()
            .ProducesValidationProblem();
        admins.MapGet("/{hostname}", FindAsync).WithName("FindVm").WithSummary("Show one VM, and every reason why it is not free")
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status410Gone);
    }

    private static async Task<Results<Created<Enrolment>, ProblemHttpResult>> EnrolAsync(
        EnrolmentRequest request, VmStore store, HttpContext context, CancellationToken cancel)
    {
        string hostname = Hostname.Of(request.Hostname)!.Value;
        var presented = EnrolmentAuthentication.Presented(context);
        var pool = request.Pool ?? presented?.Pool ?? PoolName.Default;
        if (presented is not null && (presented.Hostname ?? hostname, presented.Pool ?? pool) != (hostname, pool))
        {
            return Problems.EnrolmentTokenBound;
        }
        var token = VmToken.Create(hostname);
        return await store.EnrolAsync(request, hostname, pool, TokenHash.Of(token), presented?.Id, cancel) switch
        {
            EnrolmentOutcome.Enrolled enrolled => TypedResults.Created($"/vms/{hostname}", new Enrolment(hostname, enrolled.Pool, token)),
            EnrolmentOutcome.TokenUsed => RefuseUsed(context.Response),
            EnrolmentOutcome.MachineConflict => Problems.MachineConflict(hostname),
            _ => Problems.UnknownPool(pool),
        };
    }

    private static ProblemHttpResult RefuseUsed(HttpResponse response)
    {
        response.Headers.WWWAuthenticate = VmToken.Challenge;
        return Problems.EnrolmentTokenUsed;
    }

    private static async Task<NoContent> ReportAsync(
        string hostname, VmReport report, VmStore store, FleetRefresh fleet, ClaimsPrincipal vm, CancellationToken cancel)
    {
        await store.ReportAsync(vm.Identity!.Name!, report, cancel);
        await fleet.TryRefreshAsync(vm.Identity.Name!, cancel);
        return TypedResults.NoContent();
    }

    private static async Task<Results<Ok<Page<Vm>>, ValidationProblem, CsvResult<Vm>>> ListAsync(
        [AsParameters] VmQueryParameters query, HttpRequest request, VmStore store, CancellationToken cancel,
        string? after = null, int limit = Limits.DefaultPage)
    {
        if (Limits.Validate(query.Pool, limit, query.Text) is { } invalid)
        {
            return invalid;
        }
        if (!Hostname.TryParse(after, out var start) && after is not null)
        {
            return Problems.Invalid("after", "the 'next' of the page before");
        }
        var filter = new VmFilter(query.ToQuery());
        if (Csv.IsWanted(request))
        {
            return new CsvResult<Vm>(CsvColumns, (last, cancel) => store.ListAsync(filter, last?.Hostname ?? $"{start}", Limits.MaxPage, cancel));
        }
        var page = await store.ListAsync(filter, $"{start}", limit, cancel);
        return TypedResults.Ok(new Page<Vm>(page, page.Count == limit ? page[^1].Hostname : null));
    }

    private static async Task<Results<Ok<VmDetail>, ProblemHttpResult>> FindAsync(Hostname hostname, VmStore store, CancellationToken cancel) =>
        await store.FindAsync(hostname, cancel) is { } vm
            ? TypedResults.Ok(vm)
            : await MissingAsync(hostname, store, cancel) ?? Problems.UnknownVm(hostname);

    /// <summary>Returns the problem that the VM is deleted or unknown, or null if there is such a VM.</summary>
    public static async Task<ProblemHttpResult?> MissingAsync(Hostname hostname, VmStore store, CancellationToken cancel) =>
        await store.IsDeletedAsync(hostname, cancel) switch
        {
            true => Problems.VmDeleted(hostname),
            false => null,
            null => Problems.UnknownVm(hostname),
        };
}
