namespace Allocator.Contracts;

/// <summary>A pool at a glance.</summary>
/// <param name="Open">Whether people can ask for its VMs now: open by hand, and within its times.</param>
/// <param name="InRush">Whether its free VMs poll as often as they may.</param>
/// <param name="Summary">The counts as one sentence.</param>
/// <param name="NotFree">Why VMs are not free, and how many for each reason; a VM may have several.</param>
/// <param name="Waiting">People in the queue.</param>
/// <param name="LongestWaitSeconds">How long the first in the queue has waited; null when nobody waits.</param>
/// <param name="Roster">How many people the roster admits; 0: there is none, and everybody is admitted.</param>
/// <param name="Settings">What PUT takes; the access code is never shown.</param>
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
/// others overlap them.
/// </summary>
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

/// <summary>How many VMs of a pool are not free for one reason.</summary>
/// <param name="Code">As in <see cref="NotFreeReason"/>.</param>
/// <param name="Text">For people.</param>
public sealed record NotFreeCount(string Code, string Text, long Vms);

/// <summary>Body of <c>PUT /pools/{pool}</c>: makes the pool if it is new. What is absent is as by default, but for the access code.</summary>
/// <param name="Open">Whether people can ask for its VMs, within its times.</param>
/// <param name="AccessCode">The word people must know, at most 64 characters; empty: none is needed; null or absent: as it was.</param>
/// <param name="OpensAt">Nobody can ask before; from a minute before until five minutes after, the pool is in rush.</param>
/// <param name="ClosesAt">Nobody can ask from then on. Who waits or has a VM by then is not touched.</param>
/// <param name="RushUntil">Until then the pool's free VMs poll as often as they may, so that a crowd is served quickly.</param>
/// <param name="Duration">For how long a person has the VM once they are connected (<c>hh:mm:ss</c>, 1 min – 366 days);
/// null: for as long as they like. For those who connect from now on.</param>
/// <param name="Warning">How long before the end a person is to be warned; shorter than <paramref name="Duration"/>.</param>
/// <param name="MoveWhenLost">Whether a person who is connected gets another VM when theirs is lost; by default they keep
/// it, for they may well be working.</param>
/// <param name="EmailDomains">Only addresses of these domains are admitted, such as <c>example.org</c>, not those below it;
/// null: any. At most 100.</param>
/// <param name="MostPerAddress">Live assignments of one client address, at most; a classroom behind one router shares one. Null: any number.</param>
/// <param name="Rehearsal">Whether nothing of it is to last: when it is deleted, its VMs, people and events go with it. Said
/// when it is made, and never changed.</param>
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

/// <summary>One person whom a pool's roster admits.</summary>
public sealed record RosterEntry(string Email);

/// <summary>Answer of <c>PUT /pools/{pool}/roster</c>.</summary>
/// <param name="People">How many are on it now.</param>
public sealed record RosterSize(int People);
