using System.Globalization;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Http.Metadata;

namespace Allocator.Api.Web;

/// <summary>Lists every problem (RFC 9457) that this API returns: its stable type, its title, and a detail that says what to do.</summary>
internal static class Problems
{
    private const string TypePrefix = "urn:allocator:problem:";

    public static ProblemHttpResult NeedsVmToken => Make(401, "vm-token-needed",
        "A VM's token is required", "Send 'Authorization: Bearer <token>' with the token that POST /vms returned to this VM.");

    public static ProblemHttpResult WrongVmToken => Make(401, "vm-token-wrong",
        "This token is not valid", "It is not this VM's token, or a newer one has replaced it. Enrol again with POST /vms to get a new one.");

    public static ProblemHttpResult NeedsEnrolmentToken => Make(401, "enrolment-token-needed",
        "An enrolment token is required",
        "Send 'Authorization: Bearer <token>' with this deployment's enrolment token, or with one from POST /enrolment-tokens.");

    public static ProblemHttpResult WrongEnrolmentToken => Make(401, "enrolment-token-wrong",
        "This enrolment token is not valid", "It does not belong to this deployment, or an admin has deleted it. Ask an admin for another one.");

    public static ProblemHttpResult EnrolmentTokenExpired => Make(401, "enrolment-token-expired",
        "This enrolment token has expired", "Ask an admin for another one, from POST /enrolment-tokens.");

    public static ProblemHttpResult EnrolmentTokenUsed => Make(401, "enrolment-token-used",
        "This enrolment token is used up",
        "It has admitted as many machines as it allows. Only those can use it again, each under its own host name. Ask an admin for another one.");

    public static ProblemHttpResult EnrolmentTokenBound => Make(403, "enrolment-token-bound",
        "This enrolment token is for another VM", "It is bound to another host name or pool. Use it for that VM, or ask an admin for another one.");

    public static ProblemHttpResult UnknownEnrolmentToken(Guid id) => Make(404, "unknown-enrolment-token",
        "There is no such enrolment token", $"No enrolment token has the id {id}; GET /enrolment-tokens lists all of them.");

    public static ProblemHttpResult NeedsAdmin => Make(401, "admin-needed",
        "An admin's credentials are required", "Use HTTP Basic with an admin's name and password, or send an API key as X-Api-Key.");

    public static ProblemHttpResult TooManySignIns => Make(429, "too-many-sign-ins",
        "Too many sign-ins",
        "The password was not checked, because too many sign-ins failed or are being checked. Try again after the time in Retry-After.");

    public static ProblemHttpResult CrossSite => Make(403, "cross-site",
        "The request comes from another site", "A browser may change something only from a page of this host.");

    public static ProblemHttpResult MalformedHostname => Make(400, "malformed-hostname",
        "This is not a host name", $"The host name in the path must be {Hostname.Rule}.");

    public static ProblemHttpResult TokenOfAnotherVm(string hostname) => Make(403, "token-of-another-vm",
        "This token belongs to another VM", $"A token is valid for its own VM only, and this one does not belong to {hostname}.");

    public static ProblemHttpResult UnknownVm(string hostname) => Make(404, "unknown-vm",
        "There is no such VM", $"No VM named {hostname} is enrolled. Enrol it with POST /vms.");

    public static ProblemHttpResult VmDeleted(string hostname) => Make(410, "vm-deleted",
        "The VM is deleted",
        $"{hostname} was deleted by an admin, and its token is revoked. Its history remains at GET /events?hostname={hostname}; "
        + "enrolling a machine (POST /vms) reuses the name.");

    public static ProblemHttpResult VmHasPerson(string hostname) => Make(409, "vm-has-person",
        "The VM is assigned",
        $"{hostname} cannot be deleted while a person has it. Move the person (POST /assignments/{{id}}/move) "
        + $"or release the VM (POST /vms/{hostname}/release) first.");

    public static ProblemHttpResult MachineConflict(string hostname) => Make(409, "machine-conflict",
        "Another machine has this host name",
        $"{hostname} is enrolled with another machineId. Enrol under another host name, or with the id of the machine that has this one.");

    public static ProblemHttpResult UnknownPool(string pool) => Make(404, "unknown-pool",
        "There is no such pool", $"Pool '{pool}' does not exist. An admin can create it with PUT /pools/{pool}.");

    public static ProblemHttpResult PoolIsFor(string pool, bool rehearsal) => Make(409, "pool-kind",
        "'rehearsal' cannot be changed",
        $"Pool '{pool}' is {(rehearsal ? "a" : "not a")} rehearsal pool, and the flag can only be set on creation. "
        + $"Choose another name, or send \"rehearsal\": {(rehearsal ? "true" : "false")}.");

    public static ProblemHttpResult PoolInUse(string pool) => Make(409, "pool-in-use",
        "The pool is in use",
        $"Pool '{pool}' has VMs or live assignments. Release the assignments (POST /assignments/release) "
        + "and delete the VMs (DELETE /vms/{hostname}) first.");

    public static ProblemHttpResult DefaultPool => Make(409, "default-pool",
        "This pool cannot be deleted",
        $"Pool '{PoolName.Default}' is used whenever a request names no pool. Close it instead, with PUT /pools/{PoolName.Default}.");

    /// <param name="opensAt">The time at which the pool opens, if it is set.</param>
    public static ProblemHttpResult PoolClosed(string pool, DateTime? opensAt) => Make(409, "pool-closed",
        "The pool is closed",
        $"Pool '{pool}' takes no requests now. "
        + (opensAt is { } at ? $"It opens at {at:yyyy-MM-ddTHH:mm:ssZ}." : "Ask the host of the workshop when it opens."));

    public static ProblemHttpResult WrongDomain(string pool) => Make(403, "wrong-domain",
        "The address is of another domain",
        $"Pool '{pool}' admits addresses of certain domains only, such as that of your school or company. Ask the host of the workshop which.");

    public static ProblemHttpResult NotOnRoster(string pool) => Make(403, "not-on-roster",
        "The address is not on the roster",
        $"Pool '{pool}' admits only people on its roster. Use the address you registered with, or ask the host of the workshop to add you.");

    public static ProblemHttpResult TooManyFromAddress(string pool) => Make(429, "too-many-from-address",
        "Too many requests from this address",
        $"Pool '{pool}' takes no more requests from your network until a VM there is given back. The host of the workshop can raise mostPerAddress.");

    public static ProblemHttpResult AssignmentEnded => Make(409, "assignment-ended",
        "The assignment has ended",
        "Only a live assignment can be changed. The person can request a VM again, or an admin can assign one with POST /vms/{hostname}/assign.");

    public static ProblemHttpResult NoEnd => Make(409, "no-end",
        "The assignment has no end to extend", "It does not expire. Give expiresAt to set an end.");

    public static ProblemHttpResult NoFreeVm(string pool) => Make(409, "no-free-vm",
        "No VM is free", $"Pool '{pool}' has no free VM to move to; the person was not moved. GET /pools/{pool} lists the reasons.");

    public static ProblemHttpResult VmOfAnotherPool(string hostname, string pool) => Make(409, "vm-of-another-pool",
        "The VM is in another pool", $"{hostname} is in pool '{pool}'. Choose a VM of the assignment's own pool.");

    public static ProblemHttpResult VmNotFree(VmDetail vm) => Make(409, "vm-not-free",
        "The VM is not free",
        string.Join(' ', [$"{vm.Hostname} cannot take a person now.",
            .. vm.NotFreeBecause.Where(reason => reason.Code != "held").Select(reason => reason.Text)]));

    public static ProblemHttpResult PersonHasVm(string hostname, Guid id) => Make(409, "person-has-vm",
        "The person has another VM", $"The person has {hostname}. Move them with POST /assignments/{id}/move.");

    public static ProblemHttpResult NotCsv => Make(415, "not-csv",
        "The body is not CSV", "Send the body with 'Content-Type: text/csv'.");

    public static ProblemHttpResult KeyReused => Make(422, "idempotency-key-reused",
        "The Idempotency-Key was used for another request", "A key stands for one request for 24 hours. Send a new key with a new request.");

    public static ProblemHttpResult KeyInUse => Make(409, "idempotency-key-in-use",
        "The first request with this Idempotency-Key is still being processed", "Repeat the request in a moment to get the same answer.");

    public static ProblemHttpResult WrongAccessCode(string pool) => Make(403, "wrong-access-code",
        "The access code is wrong", $"Pool '{pool}' requires an access code. Ask the host of the workshop for it.");

    public static ProblemHttpResult UnknownAssignment => Make(404, "unknown-assignment",
        "There is no such assignment", "Use the id that POST /assignments returned.");

    public static ProblemHttpResult GenerationOver(string hostname, long generation) => Make(409, "generation-over",
        "Stale generation", $"Generation {generation} of {hostname} has been superseded; poll for the current one.");

    /// <summary>Adds a stable type and a detail to the framework's own refusals.</summary>
    public static void Describe(ProblemDetailsContext context)
    {
        var problem = context.ProblemDetails;
        if (problem.Type?.StartsWith(TypePrefix, StringComparison.Ordinal) == true)
        {
            return;
        }
        (var type, problem.Detail) = problem.Status switch
        {
            404 => ("not-found", "This path does not exist; see /openapi/v1.json for all paths."),
            405 => ("method-not-allowed", $"This path accepts {context.HttpContext.Response.Headers.Allow}."),
            413 => ("body-too-large", $"The body may have at most {MaxBody(context.HttpContext):N0} bytes here."),
            415 => ("not-json", "Send the body with 'Content-Type: application/json'."),
            _ => ("unreadable-request", "See /openapi/v1.json for the parameters of this call."),
        };
        problem.Type = TypePrefix + type;
    }

    private static long MaxBody(HttpContext context) =>
        context.GetEndpoint()?.Metadata.GetMetadata<IRequestSizeLimitMetadata>()?.MaxRequestBodySize ?? Limits.MaxBody;

    public static IResult TryAgain() => new TryAgainResult();

    public static ProblemHttpResult Make(int status, string type, string title, string detail) => TypedResults.Problem(
        statusCode: status, type: TypePrefix + type, title: title, detail: detail);

    public static ValidationProblem Invalid(IDictionary<string, string[]> errors) => TypedResults.ValidationProblem(
        errors, type: TypePrefix + "invalid", title: "The request is not valid", detail: "See 'errors' for the rule of each field.");

    /// <param name="field">The invalid field, parameter or part of the path.</param>
    /// <param name="rule">The rule, which continues "Must be …".</param>
    public static ValidationProblem Invalid(string field, string rule) =>
        Invalid(new Dictionary<string, string[]> { [field] = [$"Must be {rule}."] });

    /// <summary>A 503 whose Retry-After is random, so that clients that were refused together do not return together.</summary>
    private sealed class TryAgainResult : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.Headers.RetryAfter = Random.Shared.Next(5, 16).ToString(CultureInfo.InvariantCulture);
            return Make(503, "database-away", "The database is unavailable", Detail(httpContext.Request.Method)).ExecuteAsync(httpContext);
        }

        // The connection may have been lost after the change was committed.
        private static string Detail(string method) => HttpMethods.IsGet(method)
            ? "Repeat the request after the time in Retry-After."
            : "Repeat the request after the time in Retry-After. Its change may have been made already.";
    }
}
