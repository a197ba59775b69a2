namespace Allocator.Contracts;

/// <summary>The state and the settings of a pool.</summary>
/// <param name="Open">Whether requests are accepted now: the pool is open and within its times.</param>
/// <param name="InRush">Whether its free VMs poll at the maximum rate.</param>
/// <param name="Summary">The counts as one sentence.</param>
/// <param name="NotFree">The number of VMs that are not free, by reason; a VM can have several reasons.</param>
/// <param name="Waiting">The number of people in the queue.</param>
/// <param name="LongestWaitSeconds">The time that the first person in the queue has waited; null if the queue is empty.</param>
/// <param name="Roster">The number of people on the roster; 0 if there is no roster and everybody is admitted.</param>
/// <param name="Settings">The settings as PUT takes them, without the access code.</param>
public sealed record Pool(
    string Name,
    bool Open,
    bool NeedsAccessCode,
    bool InRush,
    string Summary,
    PoolVms Vms,
    IReadOnlyList<NotFreeCount> NotFree,
    long Waiting,
    double? LongestWaitSeconds,
    long Roster,
    PoolSettings Settings);

/// <summary>
/// The VMs of a pool. <paramref name="Free"/> to <paramref name="Unready"/> add up to <paramref name="Total"/>; the
/// others overlap with them.
/// </summary>
/// <param name="Free">VMs that can take the next person.</param>
/// <param name="Assigned">VMs that prepare for their person.</param>
/// <param name="Connected">VMs whose person can connect.</param>
/// <param name="Cleaning">VMs that remove the traces of the last person.</param>
/// <param name="Unready">All other VMs: initializing, in error, held, lost or with an unhealthy GPU.</param>
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

/// <summary>The number of VMs of a pool that are not free for one reason.</summary>
/// <param name="Code">The code of the <see cref="NotFreeReason"/>.</param>
/// <param name="Text">The explanation, for people.</param>
public sealed record NotFreeCount(string Code, string Text, long Vms);

/// <summary>Body of <c>PUT /pools/{pool}</c>: creates or replaces a pool. Absent fields get their defaults, except the access code.</summary>
/// <param name="Open">Whether requests are accepted within its times.</param>
/// <param name="AccessCode">
/// The code that requests must contain, at most 64 characters; an empty one removes it, null or absent leaves it
/// unchanged.
/// </param>
/// <param name="OpensAt">Requests are refused before this time. From a minute before until five minutes after, the pool is in rush.</param>
/// <param name="ClosesAt">Requests are refused from this time. People already queued or connected are unaffected.</param>
/// <param name="RushUntil">Until this time the pool's free VMs poll at the maximum rate, so that many people are served quickly.</param>
/// <param name="Duration">
/// The time for which a person has the VM once connected (<c>hh:mm:ss</c>, 1 min – 366 days); null for no limit. A
/// change applies to people who connect later.
/// </param>
/// <param name="Warning">The time before the end at which a person is warned; shorter than <paramref name="Duration"/>.</param>
/// <param name="MoveWhenLost">
/// Whether connected people are moved to another VM when theirs is lost. By default they keep it, since they may still
/// be working.
/// </param>
/// <param name="EmailDomains">
/// The domains whose addresses are admitted, such as <c>example.org</c>, without their subdomains; null for any. At
/// most 100.
/// </param>
/// <param name="MostPerAddress">
/// The maximum number of live assignments per client address, which a classroom behind one router shares; null for no
/// limit.
/// </param>
/// <param name="Rehearsal">
/// Whether the pool is for a rehearsal. Set on creation, immutable. Deleting such a pool also deletes its VMs,
/// assignments and events.
/// </param>
public sealed record PoolSettings(
    bool Open = true,
    string? AccessCode = null,
    DateTime? OpensAt = null,
    DateTime? ClosesAt = null,
    DateTime? RushUntil = null,
    TimeSpan? Duration = null,
    TimeSpan? Warning = null,
    bool MoveWhenLost = false,
    IReadOnlyList<string>? EmailDomains = null,
    int? MostPerAddress = null,
    bool Rehearsal = false);

/// <summary>A person on a pool's roster.</summary>
public sealed record RosterEntry(string Email);

/// <summary>Answer of <c>PUT /pools/{pool}/roster</c>.</summary>
/// <param name="People">The number of people on the roster now.</param>
public sealed record RosterSize(int People);
