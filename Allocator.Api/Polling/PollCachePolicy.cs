using Allocator.Api.Fleet;
using Microsoft.AspNetCore.OutputCaching;

namespace Allocator.Api.Polling;

/// <summary>
/// Caches the bodies of polls, each under its VM and generation: a change makes the old body unreachable, so that none has
/// to be evicted in time. It runs behind authentication, so a body reaches only the VM that it is for. Only polls that
/// change nothing are served from it: no person waits for this VM, this replica is not behind, and no receipt is due.
/// </summary>
internal sealed class PollCachePolicy(LivenessWriter liveness, PollInterval interval) : IOutputCachePolicy
{
    public const string Name = "Poll";
    private static readonly TimeSpan KeepFor = TimeSpan.FromMinutes(1);

    public ValueTask CacheRequestAsync(OutputCacheContext context, CancellationToken cancellation)
    {
        if (context.HttpContext.Features.Get<FleetVm>() is not { } vm)
        {
            return ValueTask.CompletedTask;
        }
        var view = vm.View;
        var tags = EntityTags.Parse(context.HttpContext.Request.Headers.IfNoneMatch);
        var changesNothing = !PollHandler.CanClaim(view.PollState, vm.Pool) && tags.Newest < view.Generation && !tags.Any;
        context.EnableOutputCaching = changesNothing;
        context.AllowCacheLookup = changesNothing;
        context.AllowCacheStorage = changesNothing;
        context.AllowLocking = false;
        context.ResponseExpirationTimeSpan = KeepFor;
        context.CacheVaryByRules.VaryByHost = false;
        context.CacheVaryByRules.QueryKeys = "";
        context.CacheVaryByRules.CacheKeyPrefix = Key(view.Hostname, view.ETag);
        return ValueTask.CompletedTask;
    }

    public ValueTask ServeFromCacheAsync(OutputCacheContext context, CancellationToken cancellation)
    {
        var vm = VmAuthentication.Caller(context.HttpContext);
        liveness.RecordPoll(vm);
        interval.SetCacheControlOnStarting(context.HttpContext.Response, vm, vm.View);
        return ValueTask.CompletedTask;
    }

    public ValueTask ServeResponseAsync(OutputCacheContext context, CancellationToken cancellation)
    {
        var response = context.HttpContext.Response;
        // The answer may be newer than the key, because the feed can update the VM while the poll is answered.
        context.AllowCacheStorage &= response.StatusCode == StatusCodes.Status200OK
            && context.CacheVaryByRules.CacheKeyPrefix
                == Key(VmAuthentication.Caller(context.HttpContext).View.Hostname, response.Headers.ETag.ToString());
        return ValueTask.CompletedTask;
    }

    private static string Key(string hostname, string etag) => hostname + etag;
}
