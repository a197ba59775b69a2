using System.Diagnostics.Metrics;
using System.Net;
using Allocator.Api.Telemetry;

namespace Allocator.Api.Security;

/// <summary>Counts the admins' sign-ins that fail: in a metric, and for the event that summarizes them.</summary>
internal sealed class SignInFailures
{
    private const int MaxNames = 5;
    private const int MaxAddresses = 10_000;

    private readonly Lock _lock = new();
    private readonly Counter<long> _failures;
    private Tally _tally = new();

    public SignInFailures(IMeterFactory meters)
    {
        _failures = meters.Create(Instrumentation.Name).CreateCounter<long>(
            "allocator.sign_in.failures", "{sign_in}", "Sign-ins of admins that failed, by result: wrong, or refused without a check");
        // Both exist from the start, so that the first failure shows as an increase.
        _failures.Add(0, ResultTag(false));
        _failures.Add(0, ResultTag(true));
    }

    public bool Any => Volatile.Read(ref _tally).Count > 0;

    /// <param name="name">The name of an admin; null for any other name and for API keys.</param>
    public void Add(string? name, IPAddress? address, bool isRefused)
    {
        _failures.Add(1, ResultTag(isRefused));
        lock (_lock)
        {
            _tally.Count++;
            _tally.Refused += isRefused ? 1 : 0;
            _tally.Unknown += name is null ? 1 : 0;
            AddWhereRoom(_tally.Addresses, AddressPrefix.Of(address), MaxAddresses);
            if (name is not null)
            {
                AddWhereRoom(_tally.Names, name, MaxNames);
            }
        }
    }

    /// <summary>Returns what was counted since the last call, and resets the counts.</summary>
    public Tally Take()
    {
        lock (_lock)
        {
            var taken = _tally;
            _tally = new Tally();
            return taken;
        }
    }

    /// <summary>Adds what was taken but could not be recorded.</summary>
    public void PutBack(Tally taken)
    {
        lock (_lock)
        {
            taken.Count += _tally.Count;
            taken.Refused += _tally.Refused;
            taken.Unknown += _tally.Unknown;
            foreach (var address in _tally.Addresses)
            {
                AddWhereRoom(taken.Addresses, address, MaxAddresses);
            }
            foreach (var name in _tally.Names)
            {
                AddWhereRoom(taken.Names, name, MaxNames);
            }
            _tally = taken;
        }
    }

    private static void AddWhereRoom<T>(HashSet<T> set, T item, int max)
    {
        if (set.Count < max)
        {
            set.Add(item);
        }
    }

    private static KeyValuePair<string, object?> ResultTag(bool isRefused) => new("result", isRefused ? "refused" : "wrong");

    /// <summary>The failures of a while.</summary>
    internal sealed class Tally
    {
        public long Count { get; set; }

        /// <summary>Gets or sets how many of them were refused without a check.</summary>
        public long Refused { get; set; }

        /// <summary>Gets or sets how many of them were not under the name of an admin.</summary>
        public long Unknown { get; set; }

        public HashSet<AddressPrefix> Addresses { get; } = [];

        public HashSet<string> Names { get; } = new(StringComparer.OrdinalIgnoreCase);
    }
}
