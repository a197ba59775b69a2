using Allocator.Api.Web;

namespace Allocator.Api.Security;

/// <summary>
/// Refuses changes that a browser sends on behalf of another site. A browser attaches an admin's credentials (Basic,
/// and later a cookie) to every request for this host, whichever page caused it; it also names that page's site, which
/// a page cannot forge. Programs send neither header and are not affected.
/// </summary>
internal static class CrossSiteRequests
{
    public static void RefuseCrossSiteChanges(this IApplicationBuilder app) => app.Use((context, next) =>
        IsChange(context.Request.Method) && IsCrossSite(context.Request)
            ? Problems.CrossSite.ExecuteAsync(context)
            : next(context));

    private static bool IsChange(string method) =>
        !(HttpMethods.IsGet(method) || HttpMethods.IsHead(method) || HttpMethods.IsOptions(method) || HttpMethods.IsTrace(method));

    private static bool IsCrossSite(HttpRequest request)
    {
        // Fetch metadata is newer and exact: `same-site` is another host of the same domain, which is not trusted either.
        if (request.Headers["Sec-Fetch-Site"] is [{ Length: > 0 } site])
        {
            return site is not ("same-origin" or "none");
        }
        // Every browser sends Origin with a change. The scheme is not compared: TLS may end at the load balancer. An opaque
        // origin (`null`) belongs to no page of this host.
        return request.Headers.Origin is [{ Length: > 0 } origin]
            && !(Uri.TryCreate(origin, UriKind.Absolute, out var url)
                && string.Equals(url.Authority, request.Host.Value, StringComparison.OrdinalIgnoreCase));
    }
}
