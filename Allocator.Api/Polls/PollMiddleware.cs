using Allocator.Api.Fleet;
using Allocator.Api.Security;

namespace Allocator.Api.Polls;

/// <summary>
/// The shortest way through a poll that changes nothing: a known VM with its right token and the current ETag, for whom
/// nobody waits. It is answered from memory before routing, authentication and the output cache have begun. Everything
/// else goes on to the endpoint, which answers such a poll too, only at greater cost.
/// </summary>
internal sealed class PollMiddleware(RequestDelegate next, VmFleet fleet, PollNotes notes, PollInterval interval, PollSignals signals)
{
    public const string Prefix = "/assignment/";

    public Task InvokeAsync(HttpContext context)
    {
        var request = context.Request;
        if (HttpMethods.IsGet(request.Method)
            && request.Path.Value is { } path
            && path.StartsWith(Prefix, StringComparison.Ordinal)
            && fleet.Find(path[Prefix.Length..]) is { } vm
            && TryAnswer(context, vm))
        {
            return Task.CompletedTask;
        }
        return next(context);
    }

    private bool TryAnswer(HttpContext context, FleetVm vm)
    {
        var headers = context.Request.Headers;
        var view = vm.View;
        if (headers.IfNoneMatch is not [{ } tag] || tag != view.ETag
            || Poll.IsWanted(vm)
            || !view.TokenHash.Equals(TokenHash.Of(VmToken.FromHeader(headers.Authorization))))
        {
            return false;
        }
        signals.Steady();
        notes.Polled(vm);
        if (view.AwaitsReceipt)
        {
            notes.Received(vm);
        }
        var response = context.Response;
        response.StatusCode = StatusCodes.Status304NotModified;
        response.Headers.ETag = view.ETag;
        response.Headers.CacheControl = interval.CacheControl(view, vm.Pool);
        return true;
    }
}
