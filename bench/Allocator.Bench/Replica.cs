using System.Diagnostics;
using Allocator.Bench.Load;

namespace Allocator.Bench;

/// <summary>A replica on its own core, its fleet, and the polls of its VMs.</summary>
internal sealed class Replica : IAsyncDisposable
{
    private Replica(Database database, string connectionString, int vms, TimeSpan resolution, Server api) =>
        (Database, ConnectionString, Vms, Resolution, Api, PeakAtStart, Requests) =
            (database, connectionString, vms, resolution, api, api.Usage.PeakResident, PollRequests.OfFleet(1, vms, 1));

    public Database Database { get; }

    public string ConnectionString { get; }

    public int Vms { get; }

    /// <summary>The liveness resolution.</summary>
    public TimeSpan Resolution { get; }

    public Server Api { get; }

    /// <summary>Gets the resident bytes.</summary>
    public long PeakAtStart { get; }

    public PollRequests Requests { get; }

    public static async Task<Replica> StartAsync(Database database, int vms, TimeSpan resolution)
    {
        var connectionString = await database.CreateFleetAsync(vms);
        var api = await Server.StartApiAsync(
            connectionString,
            new("Liveness__Resolution", resolution.ToString()),
            // VMs that do not poll because the machine cannot pace them all must not become lost.
            new("Liveness__LostAfter", TimeSpan.FromHours(1).ToString()));
        return new Replica(database, connectionString, vms, resolution, api);
    }

    /// <summary>Polls until every VM is answered, and at least until the runtime has compiled hot code.</summary>
    public void WarmUp(TimeSpan untilCompiled)
    {
        var started = Stopwatch.GetTimestamp();
        Throughput.RunOnce(Api.Address, Requests);
        Throughput.Run(Api.Address, Requests, untilCompiled - Stopwatch.GetElapsedTime(started));
    }

    public ValueTask DisposeAsync()
    {
        Requests.Dispose();
        return Api.DisposeAsync();
    }
}
