using Allocator.Api.Security;
using Allocator.Api.Web;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Allocator.Api.Events;

/// <summary>The order of events in a list.</summary>
internal enum EventOrder
{
    /// <summary>Oldest first.</summary>
    Asc,

    /// <summary>Newest first.</summary>
    Desc,
}

internal static class EventEndpoints
{
    private static readonly CsvColumn<EventRecord>[] CsvColumns =
    [
        new("id", one => one.Id),
        new("at", one => one.At),
        new("actor", one => one.Actor),
        new("action", one => one.Action),
        new("pool", one => one.Pool),
        new("hostname", one => one.Hostname),
        new("assignmentId", one => one.AssignmentId),
        new("detail", one => one.Detail),
    ];

    public static void MapEvents(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/events", ListAsync)
            .WithName("ListEvents").WithTags("Admins").WithSummary("List events")
            .WithDescription(
                "Events can be filtered by VM (hostname), person (email), assignment, pool, actor, action and time; an event must match all "
                + "given filters. CSV output contains all events after 'after', regardless of the limit.")
            .RequireAuthorization(Callers.Admin)
            .AlsoAsCsv()
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .AddOpenApiOperationTransformer((operation, _, _) =>
            {
                operation.Parameters!.Single(parameter => parameter.Name == "action").Description =
                    $"What happened: {string.Join(", ", EventActions.All.Select(action => action.Name))}.";
                return Task.CompletedTask;
            });

    private static async Task<Results<Ok<Page<EventRecord>>, ValidationProblem, CsvResult<EventRecord>>> ListAsync(
        HttpRequest request, EventStore store, CancellationToken cancel,
        Hostname? hostname = null, Guid? assignment = null, string? email = null, string? pool = null, string? actor = null, string? action = null,
        DateTime? since = null, DateTime? until = null, EnumQuery<EventOrder>? order = null, long? after = null, int limit = Limits.DefaultPage)
    {
        if (Limits.Validate(pool, limit) is { } invalid)
        {
            return invalid;
        }
        foreach (var (name, text) in new[] { ("email", email), ("actor", actor), ("action", action) })
        {
            if (!Limits.IsSearchText(text))
            {
                return Problems.Invalid(name, Limits.SearchTextRule);
            }
        }
        foreach (var (name, time) in new[] { ("since", since), ("until", until) })
        {
            if (!Instant.HasTimeZone(time))
            {
                return Problems.Invalid(name, Instant.Rule);
            }
        }
        var filter = new EventFilter(hostname?.ToString(), assignment, email, pool, actor, action, since, until);
        var newestFirst = order?.Value == EventOrder.Desc;
        if (Csv.IsWanted(request))
        {
            return new CsvResult<EventRecord>(
                CsvColumns, (last, cancel) => store.ListAsync(filter, newestFirst, last?.Id ?? after, Limits.MaxPage, cancel));
        }
        var page = await store.ListAsync(filter, newestFirst, after, limit, cancel);
        return TypedResults.Ok(new Page<EventRecord>(page, page.Count == limit ? Csv.Text(page[^1].Id) : null));
    }
}
