using Allocator.Api.Fleet;
using Allocator.Api.Security;
using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Allocator.Api.Polling;

/// <summary>The endpoint that VMs poll.</summary>
internal static class PollEndpoints
{
    public static void MapPolls(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/assignment/{hostname}", AnswerAsync)
            .WithName("Poll")
            .WithTags("VMs")
            .WithSummary("Get what this VM has to do now")
            .WithDescription(
                "Send the last ETag as If-None-Match; nearly always the answer is 304. Poll again at a random time " +
                "between once and twice the max-age after the start of this poll. A poll that names the current generation " +
                "acknowledges its assignment.")
            .RequireAuthorization(Callers.Vm)
            .CacheOutput(PollCachePolicy.Name)
            .Produces(StatusCodes.Status304NotModified)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status403Forbidden)
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status410Gone)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

    private static async Task<Results<Ok<VmAssignment>, StatusCodeHttpResult>> AnswerAsync(
        string hostname, PollHandler handler, PollInterval interval, HttpContext context)
    {
        var vm = VmAuthentication.Caller(context);
        var ifNoneMatch = context.Request.Headers.IfNoneMatch;
        var view = await handler.AnswerAsync(vm, ifNoneMatch);

        context.Response.Headers.ETag = view.ETag;
        interval.SetCacheControlOnStarting(context.Response, vm, view);
        var tags = EntityTags.Parse(ifNoneMatch);
        return tags.Any || tags.Contains(view.Generation)
            ? TypedResults.StatusCode(StatusCodes.Status304NotModified)
            : TypedResults.Ok(view.ToWire());
    }
}
