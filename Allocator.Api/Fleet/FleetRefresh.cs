using Allocator.Api.Web;

namespace Allocator.Api.Fleet;

/// <summary>Brings VMs up to date that this replica has just changed, so that their next polls need not wait for the feed.</summary>
internal sealed partial class FleetRefresh(FleetStore store, VmFleet fleet, ILogger<FleetRefresh> log)
{
    /// <summary>
    /// Reads the VM. The change has been committed already, so a failure here must not fail the request: the feed brings the
    /// change as well.
    /// </summary>
    public async Task TryRefreshAsync(string hostname, CancellationToken cancel)
    {
        try
        {
            if (await store.FindAsync(hostname, cancel) is { } view)
            {
                fleet.Apply(view);
            }
        }
        catch (Exception e) when (Outage.IsTransient(e) || e is OperationCanceledException)
        {
            Log.NotRefreshed(log, hostname, e.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(
            Level = LogLevel.Warning,
            Message = "{Hostname} was changed but could not be read again; the feed will bring the change: {Error}")]
        public static partial void NotRefreshed(ILogger log, string hostname, string error);
    }
}
