using System.Security.Claims;
using System.Text;
using Allocator.Api.Data;
using Allocator.Api.Security;
using Allocator.Api.Web;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace Allocator.Api.Pools;

/// <summary>The calls by which admins list and replace the people whom a pool admits.</summary>
internal static class RosterEndpoints
{
    private static readonly CsvColumn<RosterEntry>[] CsvColumns = [new("email", person => person.Email)];

    public static void MapRosters(this IEndpointRouteBuilder routes)
    {
        var rosters = routes.MapGroup("/pools/{pool}/roster").WithTags("Admins")
            .RequireAuthorization(Callers.Admin)
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        rosters.MapPut("/", PutAsync).WithName("PutRoster").WithSummary("Replace the roster, so that only these people are admitted")
            .WithDescription($"The body is {Roster.Rule}. Existing assignments are unaffected.")
            .WithMetadata(new RequestSizeLimitAttribute(Limits.MaxList), new CsvBodyMetadata())
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status413PayloadTooLarge)
            .ProducesProblem(StatusCodes.Status415UnsupportedMediaType);
        rosters.MapGet("/", ListAsync).WithName("ListRoster").WithSummary("List the roster, sorted by address")
            .AlsoAsCsv()
            .ProducesValidationProblem();
        rosters.MapDelete("/", DeleteAsync).WithName("DeleteRoster").WithSummary("Delete the roster, so that everybody is admitted");
    }

    private static async Task<Results<Ok<RosterSize>, ValidationProblem, ProblemHttpResult>> PutAsync(
        string pool, HttpRequest request, RosterStore store, ClaimsPrincipal admin, CancellationToken cancel)
    {
        if (request.GetTypedHeaders().ContentType?.MediaType.Equals(Csv.ContentType, StringComparison.OrdinalIgnoreCase) != true)
        {
            return Problems.NotCsv;
        }
        using var body = new StreamReader(request.Body, Encoding.UTF8);
        var (people, errors) = Roster.Read(await body.ReadToEndAsync(cancel));
        return errors.Count > 0 ? Problems.Invalid(new Dictionary<string, string[]> { ["body"] = [.. errors] })
            : PoolName.IsValid(pool) && await store.ReplaceAsync(pool, people, admin.Actor(), cancel) ? TypedResults.Ok(new RosterSize(people.Count))
            : Problems.UnknownPool(pool);
    }

    private static async Task<Results<Ok<Page<RosterEntry>>, ValidationProblem, ProblemHttpResult, CsvResult<RosterEntry>>> ListAsync(
        string pool, HttpRequest request, RosterStore store, CancellationToken cancel, string? after = null, int limit = Limits.DefaultPage)
    {
        if (Limits.Validate(null, limit) is { } invalid)
        {
            return invalid;
        }
        if (!Limits.IsSearchText(after))
        {
            return Problems.Invalid("after", "the 'next' of the page before");
        }
        if (!PoolName.IsValid(pool) || !await store.PoolExistsAsync(pool, cancel))
        {
            return Problems.UnknownPool(pool);
        }
        var start = after is null ? "" : EmailKey.Of(after);
        if (Csv.IsWanted(request))
        {
            return new CsvResult<RosterEntry>(CsvColumns, (last, cancel) =>
                store.ListAsync(pool, last is null ? start : EmailKey.Of(last.Email), Limits.MaxPage, cancel));
        }
        var page = await store.ListAsync(pool, start, limit, cancel);
        return TypedResults.Ok(new Page<RosterEntry>(page, page.Count == limit ? EmailKey.Of(page[^1].Email) : null));
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(
        string pool, RosterStore store, ClaimsPrincipal admin, CancellationToken cancel) =>
        PoolName.IsValid(pool) && await store.ReplaceAsync(pool, new Dictionary<string, string>(), admin.Actor(), cancel)
            ? TypedResults.NoContent()
            : Problems.UnknownPool(pool);
}
