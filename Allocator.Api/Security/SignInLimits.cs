using System.Net;
using Microsoft.Extensions.Caching.Memory;

namespace Allocator.Api.Security;

/// <summary>
/// Decides whether checking a password may cost a hash now. A hash is slow on purpose, so guessers must neither take the
/// processor from the polls nor keep an admin waiting: few hashes run or wait at a time, one per caller, and a caller
/// whose passwords were wrong backs off. A caller is an address, or an address together with the name of an admin who
/// has signed in from it: those have places of their own. The state is kept in memory, so each replica counts for itself.
/// </summary>
internal sealed class SignInLimits(TimeProvider time) : IDisposable
{
    /// <summary>Wrong passwords before a caller has to back off.</summary>
    public const int FreeFailures = 5;

    /// <summary>Sign-ins that run or wait: so many of callers that have signed in before, and so many of others.</summary>
    public const int Places = 8;

    public static readonly TimeSpan MinBackoff = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan MaxBackoff = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan RememberFailures = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan RememberSuccesses = TimeSpan.FromDays(7);

    private readonly Lock _lock = new();
    private readonly HashSet<Caller> _active = [];
    private readonly MemoryCache _failures = new(new MemoryCacheOptions { SizeLimit = 100_000 });
    private readonly MemoryCache _successes = new(new MemoryCacheOptions { SizeLimit = 10_000 });

    /// <param name="caller">The caller to pass to <see cref="End"/>, if the result is null.</param>
    /// <returns>The time to wait before the next try; null if the password may be checked now.</returns>
    public TimeSpan? TryBegin(string name, IPAddress? address, out Caller caller)
    {
        var prefix = AddressPrefix.Of(address);
        lock (_lock)
        {
            caller = _successes.TryGetValue((name, prefix), out _) ? new Caller(name, prefix) : new Caller(null, prefix);
            if (_failures.Get<Failures>(caller) is { } failed && failed.Until > time.GetUtcNow())
            {
                return failed.Until - time.GetUtcNow();
            }
            var isKnown = caller.Name is not null;
            if (_active.Contains(caller) || _active.Count(other => other.Name is not null == isKnown) >= Places)
            {
                return MinBackoff;
            }
            _active.Add(caller);
            return null;
        }
    }

    /// <param name="name">The name that was tried.</param>
    /// <param name="isRight">Null if the password was not checked after all.</param>
    public void End(Caller caller, string name, bool? isRight)
    {
        lock (_lock)
        {
            _active.Remove(caller);
            if (isRight == true)
            {
                _failures.Remove(caller);
                _successes.Set((name, caller.Address), true, Entry(RememberSuccesses));
            }
            else if (isRight == false)
            {
                CountFailure(caller);
            }
        }
    }

    /// <summary>Counts a failure that cost no hash, such as a wrong API key.</summary>
    public void AddFailure(IPAddress? address)
    {
        lock (_lock)
        {
            CountFailure(new Caller(null, AddressPrefix.Of(address)));
        }
    }

    public void Dispose()
    {
        _failures.Dispose();
        _successes.Dispose();
    }

    private void CountFailure(Caller caller)
    {
        var count = (_failures.Get<Failures>(caller)?.Count ?? 0) + 1;
        var backoff = count < FreeFailures ? TimeSpan.Zero : Min(MaxBackoff, MinBackoff * Math.Pow(2, Math.Min(count - FreeFailures, 20)));
        _failures.Set(caller, new Failures(count, time.GetUtcNow() + backoff), Entry(RememberFailures));
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static MemoryCacheEntryOptions Entry(TimeSpan lifetime) => new() { Size = 1, SlidingExpiration = lifetime };

    /// <param name="Name">Null for callers that have not signed in yet: all names that they try count together.</param>
    internal readonly record struct Caller(string? Name, AddressPrefix Address);

    private sealed record Failures(int Count, DateTimeOffset Until);
}
