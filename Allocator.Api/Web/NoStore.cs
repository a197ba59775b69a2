using Microsoft.Net.Http.Headers;

namespace Allocator.Api.Web;

/// <summary>Keeps replies that carry a secret (a token, a PIN, a link to a desktop) out of every cache.</summary>
internal static class NoStore
{
    /// <summary>Sets <c>Cache-Control: no-store</c>, whatever the reply is.</summary>
    public static RouteHandlerBuilder NeverStored(this RouteHandlerBuilder endpoint) => endpoint.AddEndpointFilter((context, next) =>
    {
        context.HttpContext.Response.Headers.CacheControl = CacheControlHeaderValue.NoStoreString;
        return next(context);
    });
}
