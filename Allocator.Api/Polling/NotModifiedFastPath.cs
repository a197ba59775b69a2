using Allocator.Api.Fleet;
using Allocator.Api.Security;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;

namespace Allocator.Api.Polling;

/// <summary>
/// Answers polls that change nothing: those of a known VM with the right token and the current ETag, for which no person is
/// waiting. They are answered from memory as soon as their headers have arrived, before an HttpContext, a trace or the
/// pipeline is created. Every other request goes on to the pipeline, whose endpoint also answers such polls, at a higher cost.
/// </summary>
internal sealed class NotModifiedFastPath(VmFleet fleet, LivenessWriter liveness, PollInterval interval, PollMetrics metrics)
{
    public const string Prefix = "/assignment/";

    /// <summary>Answers the request if it is such a poll; otherwise it changes nothing and returns false.</summary>
    public bool TryAnswer(IFeatureCollection features)
    {
        var request = features.GetRequiredFeature<IHttpRequestFeature>();
        var path = request.Path;
        if (!HttpMethods.IsGet(request.Method)
            || !path.StartsWith(Prefix, StringComparison.Ordinal)
            || request.Headers.IfNoneMatch is not [{ } tag]
            || fleet.FindProved(path.AsSpan(Prefix.Length), VmToken.FromHeader(request.Headers.Authorization)) is not { } vm)
        {
            return false;
        }
        var (state, pool) = (vm.PollState, vm.Pool);
        if (!EntityTags.IsStrong(tag, state.Generation) || PollHandler.CanClaim(state, pool))
        {
            return false;
        }
        metrics.NotModified();
        liveness.RecordPoll(vm);
        if (state.AwaitsReceipt)
        {
            liveness.RecordReceipt(vm, state.Generation);
        }
        var response = features.GetRequiredFeature<IHttpResponseFeature>();
        response.StatusCode = StatusCodes.Status304NotModified;
        response.Headers.ETag = tag;
        response.Headers.CacheControl = interval.CacheControl(state, pool);
        return true;
    }

    /// <summary>A server whose application gets only the requests that the fast path has not answered.</summary>
    /// <param name="fastPath">Called at the start, because the server is created before the settings are checked.</param>
    internal sealed class Server(IServer server, Func<NotModifiedFastPath> fastPath) : IServer
    {
        public IFeatureCollection Features => server.Features;

        public Task StartAsync<TContext>(IHttpApplication<TContext> application, CancellationToken cancellationToken)
            where TContext : notnull =>
            server.StartAsync(new Application<TContext>(application, fastPath()), cancellationToken);

        public Task StopAsync(CancellationToken cancellationToken) => server.StopAsync(cancellationToken);

        public void Dispose() => server.Dispose();
    }

    /// <summary>
    /// An application whose context is null for polls that have been answered. The server keeps one context for each
    /// connection so that the application can reuse it, so the context's type must be that of the application.
    /// </summary>
    private sealed class Application<TContext>(IHttpApplication<TContext> application, NotModifiedFastPath fastPath) : IHttpApplication<TContext>
        where TContext : notnull
    {
        public TContext CreateContext(IFeatureCollection contextFeatures) =>
            fastPath.TryAnswer(contextFeatures) ? default! : application.CreateContext(contextFeatures);

        public Task ProcessRequestAsync(TContext context) =>
            context is null ? Task.CompletedTask : application.ProcessRequestAsync(context);

        public void DisposeContext(TContext context, Exception? exception)
        {
            if (context is not null)
            {
                application.DisposeContext(context, exception);
            }
        }
    }
}
