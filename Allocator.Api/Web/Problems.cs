using System.Globalization;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Http.Metadata;

namespace Allocator.Api.Web;

/// <summary>Every problem this API answers with (RFC 9457), its stable type, and what would be right instead.</summary>
internal static class Problems
{
    private const string TypePrefix = "urn:allocator:problem:";

    public static ProblemHttpResult NeedsVmToken => Make(401, "vm-token-needed",
        "A VM's token is needed", "Send 'Authorization: Bearer <token>' with the token that POST /vms gave this VM.");

    public static ProblemHttpResult WrongVmToken => Make(401, "vm-token-wrong",
        "This token is not valid", "It is not this VM's token, or a newer one has replaced it. Enrol again with POST /vms to get a fresh one.");

    public static ProblemHttpResult NeedsEnrolmentToken => Make(401, "enrolment-token-needed",
        "An enrolment token is needed",
            "Send 'Authorization: Bearer <token>' with this deployment's enrolment token, or one that an admin made with POST /enrolment-tokens.");

    public static ProblemHttpResult WrongEnrolmentToken => Make(401, "enrolment-token-wrong",
        "This enrolment token is not valid", "It is none of this deployment's, or an admin has deleted it. Get another one from an admin.");

    public static ProblemHttpResult EnrolmentTokenExpired => Make(401, "enrolment-token-expired",
        "This enrolment token has expired", "Get another one from an admin, who makes it with POST /enrolment-tokens.");

    public static ProblemHttpResult EnrolmentTokenUsed => Make(401, "enrolment-token-used",
        "This enrolment token is used up",
            "It has let in as many machines as it was made for, and only those can use it again, each under the host name that it had. Get "
                + "another one from an admin.");

    public static ProblemHttpResult EnrolmentTokenBound => Make(403, "enrolment-token-bound",
        "This enrolment token is for another VM",
            "It is bound to another host name or pool. Enrol what it was made for, or get another one from an admin.");

    public static ProblemHttpResult UnknownEnrolmentToken(Guid id) => Make(404, "unknown-enrolment-token",
        "There is no such enrolment token", $"None has the id {id}; GET /enrolment-tokens lists those that there are.");

    public static ProblemHttpResult NeedsAdmin => Make(401, "admin-needed",
        "An admin's credentials are needed", "Use HTTP Basic with an admin's name and password, or send an API key as X-Api-Key.");

    public static ProblemHttpResult MalformedHostname => Make(400, "malformed-hostname",
        "This is not a host name", $"The path must end with {Hostname.Rule}.");

    public static ProblemHttpResult TokenOfAnotherVm(string hostname) => Make(403, "token-of-another-vm",
        "This token is another VM's", $"A token is good for its own VM only, and this one is not {hostname}'s.");

    public static ProblemHttpResult UnknownVm(string hostname) => Make(404, "unknown-vm",
        "There is no such VM", $"No VM named {hostname} is enrolled. Enrol it with POST /vms.");

    public static ProblemHttpResult VmDeleted(string hostname) => Make(410, "vm-deleted",
        "The VM is deleted", $"{hostname} was deleted by an admin, and its token is good for nothing. What happened on it stays at GET "
            + $"/events?hostname={hostname}; a machine can take the name by POST /vms.");

    public static ProblemHttpResult VmHasPerson(string hostname) => Make(409, "vm-has-person",
        "Somebody has the VM", $"{hostname} cannot be deleted while somebody has it. Move the person (POST /assignments/{{id}}/move) or release "
            + $"the VM (POST /vms/{hostname}/release) first.");

    public static ProblemHttpResult MachineConflict(string hostname) => Make(409, "machine-conflict",
        "Another machine has this host name",
            $"{hostname} is enrolled with another machineId. Enrol under another host name, or with the id of the machine that has this one.");

    public static ProblemHttpResult UnknownPool(string pool) => Make(404, "unknown-pool",
        "There is no such pool", $"No pool is named '{pool}'. An admin makes one with PUT /pools/{{pool}}.");

    public static ProblemHttpResult PoolIsFor(string pool, bool rehearsal) => Make(409, "pool-kind",
        "A pool stays what it was made for",
            $"Pool '{pool}' is {(rehearsal ? "a rehearsal's" : "no rehearsal's")}, and 'rehearsal' can be said only when a pool is made. Choose "
                + $"another name, or send \"rehearsal\": {(rehearsal ? "true" : "false")}.");

    public static ProblemHttpResult PoolInUse(string pool) => Make(409, "pool-in-use",
        "The pool is in use", $"Pool '{pool}' has VMs or people. Release the people (POST /assignments/release) and delete the VMs (DELETE "
            + $"/vms/{{hostname}}) first.");

    public static ProblemHttpResult DefaultPool => Make(409, "default-pool",
        "This pool cannot be deleted",
            $"'{PoolName.Default}' is where VMs and people go who name no pool. Close it instead, with PUT /pools/{PoolName.Default}.");

    /// <param name="opensAt">When it opens by itself, where that is set.</param>
    public static ProblemHttpResult PoolClosed(string pool, DateTime? opensAt) => Make(409, "pool-closed",
        "The pool is closed", $"Pool '{pool}' takes no requests now. "
            + (opensAt is { } at ? $"It opens at {at:yyyy-MM-ddTHH:mm:ssZ}." : "Ask its host when it opens."));

    public static ProblemHttpResult WrongDomain(string pool) => Make(403, "wrong-domain",
        "The address is of another domain",
            $"Pool '{pool}' admits addresses of certain domains only, such as that of your school or company. Ask its host which.");

    public static ProblemHttpResult NotOnRoster(string pool) => Make(403, "not-on-roster",
        "The address is not on the roster",
            $"Pool '{pool}' admits those only who are on its roster. Use the address you registered with, or ask its host to add you.");

    public static ProblemHttpResult TooManyFromAddress(string pool) => Make(429, "too-many-from-address",
        "Too many have asked from this address",
            $"Pool '{pool}' takes no more requests from your network until somebody there gives a VM back. Its host can raise mostPerAddress.");

    public static ProblemHttpResult AssignmentEnded => Make(409, "assignment-ended",
        "The assignment has ended", "Only a live one can be changed. The person can ask again, or an admin can put them on a VM with POST "
            + "/vms/{hostname}/assign.");

    public static ProblemHttpResult NoEnd => Make(409, "no-end",
        "The assignment has no end to extend", "It lasts for as long as the person likes. Give expiresAt to set an end.");

    public static ProblemHttpResult NoFreeVm(string pool) => Make(409, "no-free-vm",
        "No VM is free", $"Pool '{pool}' has no free VM to move to; the person stays where they are. GET /pools/{pool} says why.");

    public static ProblemHttpResult VmOfAnotherPool(string hostname, string pool) => Make(409, "vm-of-another-pool",
        "The VM is in another pool", $"{hostname} is in pool '{pool}'. Choose a VM of the assignment's own pool.");

    public static ProblemHttpResult VmNotFree(VmDetail vm) => Make(409, "vm-not-free",
        "The VM is not free", $"{vm.Hostname} cannot take a person now. "
            + $"{string.Join(' ', vm.NotFreeBecause.Where(reason => reason.Code != "held").Select(reason => reason.Text))}".TrimEnd());

    public static ProblemHttpResult PersonHasVm(string hostname, Guid id) => Make(409, "person-has-vm",
        "The person has another VM", $"They have {hostname}. Move them with POST /assignments/{id}/move.");

    public static ProblemHttpResult NotCsv => Make(415, "not-csv",
        "The body is not CSV", "Send the body with 'Content-Type: text/csv'.");

    public static ProblemHttpResult KeyReused => Make(422, "idempotency-key-reused",
        "The Idempotency-Key was used for another request", "A key stands for one request for 24 hours. Send a new key with a new request.");

    public static ProblemHttpResult KeyInUse => Make(409, "idempotency-key-in-use",
        "The first request with this Idempotency-Key is still under way", "Ask again in a moment: its answer will be yours.");

    public static ProblemHttpResult WrongAccessCode(string pool) => Make(403, "wrong-access-code",
        "The access code is wrong", $"Pool '{pool}' needs the access code that its host gave out.");

    public static ProblemHttpResult UnknownAssignment => Make(404, "unknown-assignment",
        "There is no such assignment", "Use the id that POST /assignments gave you.");

    public static ProblemHttpResult GenerationOver(string hostname, long generation) => Make(409, "generation-over",
        "That generation is over", $"What {hostname} was told in generation {generation} is no longer wanted. Poll to learn what is.");

    /// <summary>Gives a refusal that came without words, from the framework itself, its stable type and its words.</summary>
    public static void Describe(ProblemDetailsContext context)
    {
        var problem = context.ProblemDetails;
        if (problem.Type?.StartsWith(TypePrefix, StringComparison.Ordinal) == true)
        {
            return;
        }
        (var type, problem.Detail) = problem.Status switch
        {
            404 => ("not-found", "There is nothing at this path; /openapi/v1.json lists what there is."),
            405 => ("method-not-allowed", $"This path takes {context.HttpContext.Response.Headers.Allow}."),
            413 => ("body-too-large", $"A body may have {MaxBody(context.HttpContext):N0} bytes here."),
            415 => ("not-json", "Send the body with 'Content-Type: application/json'."),
            _ => ("unreadable-request", "/openapi/v1.json says what this call takes."),
        };
        problem.Type = TypePrefix + type;
    }

    private static long MaxBody(HttpContext context) =>
        context.GetEndpoint()?.Metadata.GetMetadata<IRequestSizeLimitMetadata>()?.MaxRequestBodySize ?? Limits.MaxBody;

    public static IResult TryAgain() => new TryAgainResult();

    public static ProblemHttpResult Make(int status, string type, string title, string detail) => TypedResults.Problem(
        statusCode: status, type: TypePrefix + type, title: title, detail: detail);

    public static ValidationProblem Invalid(IDictionary<string, string[]> errors) => TypedResults.ValidationProblem(
        errors, type: TypePrefix + "invalid", title: "The request is not valid", detail: "See 'errors': each field with what it must be.");

    /// <param name="field">The field, parameter or part of the path that is wrong.</param>
    /// <param name="rule">What it must be.</param>
    public static ValidationProblem Invalid(string field, string rule) =>
        Invalid(new Dictionary<string, string[]> { [field] = [$"Must be {rule}."] });

    /// <summary>
    /// 503 with a Retry-After that is drawn anew each time, so that those who were turned away together do not come
    /// back together.
    /// </summary>
    private sealed class TryAgainResult : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.Headers.RetryAfter = Random.Shared.Next(5, 16).ToString(CultureInfo.InvariantCulture);
            return Make(503, "database-away", "The database cannot be asked now",
                "Nothing was changed and nothing is lost. Ask again after the time in Retry-After.").ExecuteAsync(httpContext);
        }
    }
}
