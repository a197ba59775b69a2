using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Diagnostics;

namespace Allocator.Api.Telemetry;

/// <summary>
/// Measures and traces requests under OpenTelemetry's names. ASP.NET Core's own instruments would include steady polls, at
/// a cost for each, and would put an assignment's id, which is a secret, into the trace.
/// </summary>
internal sealed class RequestTelemetry
{
    private static readonly string[] KnownMethods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

    private readonly RequestDelegate _next;
    private readonly TimeProvider _time;
    private readonly Histogram<double> _duration;

    public RequestTelemetry(RequestDelegate next, IMeterFactory meters, TimeProvider time)
    {
        (_next, _time) = (next, time);
        _duration = meters.Create(Instrumentation.Name).CreateHistogram(
            "http.server.request.duration", "s", "Duration of requests except polls, by route and status", advice: Instrumentation.Short);
    }

    public async Task InvokeAsync(HttpContext context)
    {
        var started = _time.GetTimestamp();
        var method = KnownMethods.Contains(context.Request.Method) ? context.Request.Method : "_OTHER";
        using var span = StartSpan(context.Request, method);
        try
        {
            await _next(context);
        }
        finally
        {
            // The exception handler removes the endpoint from the context and keeps it in its feature.
            var endpoint = context.GetEndpoint() ?? context.Features.Get<IExceptionHandlerFeature>()?.Endpoint;
            var route = (endpoint as RouteEndpoint)?.RoutePattern.RawText ?? "";
            var status = context.Response.StatusCode;
            TagList tags = [new("http.request.method", method), new("http.route", route), new("http.response.status_code", status)];
            _duration.Record(_time.GetElapsedTime(started).TotalSeconds, tags);
            if (span is not null)
            {
                span.DisplayName = $"{method} {route}";
                foreach (var tag in tags)
                {
                    span.SetTag(tag.Key, tag.Value);
                }
                span.SetStatus(status >= StatusCodes.Status500InternalServerError ? ActivityStatusCode.Error : ActivityStatusCode.Unset);
            }
        }
    }

    /// <summary>
    /// Starts a trace. The caller's trace is linked, not joined: unauthenticated callers must not decide what is recorded
    /// here.
    /// </summary>
    private static Activity? StartSpan(HttpRequest request, string method)
    {
        if (!Instrumentation.Spans.HasListeners())
        {
            return null;
        }
        Activity.Current = null;
        return Instrumentation.Spans.StartActivity(method, ActivityKind.Server, default(ActivityContext), null,
            ActivityContext.TryParse(request.Headers.TraceParent, null, isRemote: true, out var caller) ? [new ActivityLink(caller)] : null);
    }
}
