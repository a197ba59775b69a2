using System.Globalization;
using Allocator.Api.Vms;
using Microsoft.AspNetCore.Http.HttpResults;

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
        "The enrolment token is needed", "Send 'Authorization: Bearer <token>' with this deployment's enrolment token.");

    public static ProblemHttpResult NeedsAdmin => Make(401, "admin-needed",
        "An admin's credentials are needed", "Use HTTP Basic with an admin's name and password, or send an API key as X-Api-Key.");

    public static ProblemHttpResult MalformedHostname => Make(400, "malformed-hostname",
        "This is not a host name", $"The path must end with {Hostname.Rule}.");

    public static ProblemHttpResult TokenOfAnotherVm(string hostname) => Make(403, "token-of-another-vm",
        "This token is another VM's", $"A token is good for its own VM only, and this one is not {hostname}'s.");

    public static ProblemHttpResult UnknownVm(string hostname) => Make(404, "unknown-vm",
        "There is no such VM", $"No VM named {hostname} is enrolled. Enrol it with POST /vms.");

    public static ProblemHttpResult MachineConflict(string hostname) => Make(409, "machine-conflict",
        "Another machine has this host name", $"{hostname} is enrolled with another machineId. Enrol under another host name, or with the id of the machine that has this one.");

    public static ProblemHttpResult UnknownPool(string pool) => Make(404, "unknown-pool",
        "There is no such pool", $"No pool is named '{pool}'. An admin makes one with PUT /pools/{{pool}}.");

    public static ProblemHttpResult PoolClosed(string pool) => Make(409, "pool-closed",
        "The pool is closed", $"Pool '{pool}' takes no requests now. Ask its host when it opens.");

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
            413 => ("body-too-large", $"A body may have {Limits.LargestBody:N0} bytes."),
            415 => ("not-json", "Send the body with 'Content-Type: application/json'."),
            _ => ("unreadable-request", "/openapi/v1.json says what this call takes."),
        };
        problem.Type = TypePrefix + type;
    }

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
