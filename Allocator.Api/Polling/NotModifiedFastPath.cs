using Allocator.Api.Fleet;
using Allocator.Api.Security;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;

namespace Allocator.Api.Polling;

/// <summary>
/// The shortest way through a poll that changes nothing: a known VM with its right token and the current ETag, for whom
/// nobody waits. It is answered from memory as soon as its headers are here, before an HttpContext, a trace or the
/// pipeline is made of it. Everything else goes on to the endpoint, which answers such a poll too, only at greater cost.
/// </summary>
internal sealed class NotModifiedFastPath(VmFleet fleet, LivenessWriter liveness, PollInterval interval, PollMetrics signals)
{
    public const string Prefix = "/assignment/";

    /// <summary>Answers the request if that can be done here; otherwise nothing has happened.</summary>
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
        var (facts, pool) = (vm.PollState, vm.Pool);
        if (!EntityTags.IsStrong(tag, facts.Generation) || PollHandler.CanClaim(facts, pool))
        {
            return false;
        }
        signals.Steady();
        liveness.RecordPoll(vm);
        if (facts.AwaitsReceipt)
        {
            liveness.RecordReceipt(vm, facts.Generation);
        }
        var response = features.GetRequiredFeature<IHttpResponseFeature>();
        response.StatusCode = StatusCodes.Status304NotModified;
        response.Headers.ETag = tag;
        response.Headers.CacheControl = interval.CacheControl(facts, pool);
        return true;
    }

    /// <summary>A server whose application sees only the requests that are not steady polls.</summary>
    /// <param name="polls">Asked for at the start: the server exists before the settings are checked.</param>
    internal sealed class Server(IServer server, Func<NotModifiedFastPath> polls) : IServer
    {
        public IFeatureCollection Features => server.Features;

        public Task StartAsync<TContext>(IHttpApplication<TContext> application, CancellationToken cancellationToken)
            where TContext : notnull =>
            server.StartAsync(new Application<TContext>(application, polls()), cancellationToken);

        public Task StopAsync(CancellationToken cancellationToken) => server.StopAsync(cancellationToken);

        public void Dispose() => server.Dispose();
    }

    /// <summary>The server keeps one context per connection for the application to use again, so its type stays the application's: null is a poll that has its answer.</summary>
    private sealed class Application<TContext>(IHttpApplication<TContext> application, NotModifiedFastPath polls) : IHttpApplication<TContext>
        where TContext : notnull
    {
        public TContext CreateContext(IFeatureCollection contextFeatures) =>
            polls.TryAnswer(contextFeatures) ? default! : application.CreateContext(contextFeatures);

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
