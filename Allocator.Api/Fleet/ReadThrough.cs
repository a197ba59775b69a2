using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Fleet;

/// <summary>
/// Reads one VM from the database when this replica is behind: the VM enrolled or got its assignment by way of another
/// replica a moment ago. Bounded, because what it is asked for comes from outside: few reads at once, one per VM and
/// question, each answer remembered for a moment.
/// </summary>
internal sealed class ReadThrough(VmFleet fleet, FleetStore store, IOptions<FleetOptions> options) : IDisposable
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(2);

    private readonly MemoryCache _answers = new(new MemoryCacheOptions { SizeLimit = 10_000 });
    private readonly SemaphoreSlim _places = new(options.Value.ReadThroughConcurrency);

    /// <summary>Brings this VM up to date.</summary>
    /// <param name="question">What is unknown here (a generation, a token's hash): another question is worth another read.</param>
    /// <returns>The VM, or null where there is none of that name.</returns>
    /// <exception cref="NpgsqlException">The database cannot be asked.</exception>
    /// <exception cref="TimeoutException">Too many are asking.</exception>
    public async Task<FleetVm?> RefreshAsync(string hostname, UInt128 question)
    {
        var key = (hostname, question);
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
            // No answer is no answer to remember.
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
            // Of a whole class that boots at once, the feed brings the news before each one's turn to be read has come.
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
