namespace Allocator.Contracts;

/// <summary>A pool at a glance.</summary>
/// <param name="Open">Whether people can ask for its VMs.</param>
/// <param name="Summary">The counts as one sentence.</param>
/// <param name="Waiting">People in the queue.</param>
/// <param name="LongestWaitSeconds">How long the first in the queue has waited; null when nobody waits.</param>
public sealed record Pool(
    string Name,
    bool Open,
    bool NeedsAccessCode,
    string Summary,
    PoolVms Vms,
    long Waiting,
    double? LongestWaitSeconds);

/// <summary>The VMs of a pool. <paramref name="Free"/> to <paramref name="Unready"/> add up to <paramref name="Total"/>; the others overlap them.</summary>
/// <param name="Free">Can take the next person.</param>
/// <param name="Assigned">Have a person and prepare.</param>
/// <param name="Connected">Have a person who can connect.</param>
/// <param name="Cleaning">Remove the traces of the last person.</param>
/// <param name="Unready">Everything else: initializing, in error, held, lost or with an unhealthy GPU.</param>
public sealed record PoolVms(
    long Total,
    long Free,
    long Assigned,
    long Connected,
    long Cleaning,
    long Unready,
    long Lost,
    long GpuUnhealthy,
    long Held);

/// <summary>Body of <c>PUT /pools/{pool}</c>: makes the pool if it is new.</summary>
/// <param name="Open">Whether people can ask for its VMs.</param>
/// <param name="AccessCode">The word people must know, at most 64 characters; null: none is needed.</param>
public sealed record PoolSettings(bool Open = true, string? AccessCode = null);
