using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Fleet;

/// <summary>
/// Reads one VM from the database when this replica is behind: the VM has just enrolled or got its assignment at another
/// replica. The reads are bounded, because unauthenticated callers can cause them: few run at once, one for each VM and
/// unknown generation or token, and each result is cached briefly.
/// </summary>
internal sealed class ReadThrough(VmFleet fleet, FleetStore store, IOptions<FleetOptions> options) : IDisposable
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(2);

    private readonly MemoryCache _answers = new(new MemoryCacheOptions { SizeLimit = 10_000 });
    private readonly SemaphoreSlim _places = new(options.Value.ReadThroughConcurrency);

    /// <summary>Updates this VM from the database.</summary>
    /// <param name="unknown">The generation or the token's hash that this replica does not know; each has its own cached result.</param>
    /// <returns>The VM, or null if there is none of that name.</returns>
    /// <exception cref="NpgsqlException">The database is unavailable.</exception>
    /// <exception cref="TimeoutException">Too many reads are waiting.</exception>
    public async Task<FleetVm?> RefreshAsync(string hostname, UInt128 unknown)
    {
        var key = (hostname, unknown);
        var answer = _answers.GetOrCreate(key, entry =>
        {
            entry.SetSize(1).SetAbsoluteExpiration(options.Value.ReadThroughMemory);
            return new Lazy<Task<FleetVm?>>(() => ReadAsync(hostname));
        })!;
        try
        {
            return await answer.Value;
        }
        catch
        {
            // Do not cache failures.
            _answers.Remove(key);
            throw;
        }
    }

    public void Dispose()
    {
        _answers.Dispose();
        _places.Dispose();
    }

    private async Task<FleetVm?> ReadAsync(string hostname)
    {
        var former = fleet.Find(hostname)?.View;
        if (!await _places.WaitAsync(MaxWait))
        {
            throw new TimeoutException("Too many VMs are unknown to this replica at once.");
        }
        try
        {
            // If many VMs start at once, the feed may have updated this one while it waited for its turn.
            if (fleet.Find(hostname) is { } vm && vm.View != former)
            {
                return vm;
            }
            return await store.FindAsync(hostname, CancellationToken.None) is { } view ? fleet.Apply(view) : null;
        }
        finally
        {
            _places.Release();
        }
    }
}
