namespace Allocator.Api.Fleet;

/// <summary>What a claim that has ended means for the next claims in its pool.</summary>
internal enum ClaimEnd
{
    /// <summary>The claim took a person, or may have: it counts.</summary>
    Used,

    /// <summary>The claim did not look for a person, so another VM may claim instead.</summary>
    Unused,

    /// <summary>The queue is empty: no VM may claim until somebody is known to wait.</summary>
    QueueEmpty,
}

/// <summary>One pool as a replica knows it: how many VMs are free, how many people wait, and how many claims are allowed.</summary>
internal sealed class FleetPool(string name)
{
    private readonly int[] _counts = new int[Enum.GetValues<VmCount>().Length];
    private int _lost;
    private int _unready;
    private int _waiting;
    private int _claimsLeft;
    private int _claimsInFlight;
    private int _requestsInLastMinute;
    private double _longestWait;
    private bool _inRush;

    public string Name { get; } = name;

    public int Free => Vms(VmCount.Free);

    /// <summary>Gets the number of unassigned VMs that become free by a report of theirs: they are cleaning, starting or in error.</summary>
    public int Unready => Volatile.Read(ref _unready);

    /// <summary>Gets the number of VMs whose polls have stopped, in any state.</summary>
    public int Lost => Volatile.Read(ref _lost);

    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Gets how long the first person in the queue had waited at the last feed, in seconds; 0 if the queue is empty.</summary>
    public double LongestWait => Volatile.Read(ref _longestWait);

    public int RequestsInLastMinute => Volatile.Read(ref _requestsInLastMinute);

    /// <summary>Gets whether the pool is around its <c>opensAt</c> or before its <c>rushUntil</c>.</summary>
    public bool InRush => Volatile.Read(ref _inRush);

    public int Vms() => Enum.GetValues<VmCount>().Sum(Vms);

    public int Vms(VmCount what) => Volatile.Read(ref _counts[(int)what]);

    /// <summary>Gets whether a claim is worth a query now.</summary>
    public bool MayClaim => Volatile.Read(ref _claimsLeft) > 0;

    /// <summary>Reserves one claim, if one is allowed; every reserved claim is ended by <see cref="EndClaim"/>.</summary>
    public bool TryBeginClaim()
    {
        if (Interlocked.Decrement(ref _claimsLeft) >= 0)
        {
            Interlocked.Increment(ref _claimsInFlight);
            return true;
        }
        Interlocked.Increment(ref _claimsLeft);
        return false;
    }

    /// <summary>Ends a claim that <see cref="TryBeginClaim"/> has reserved.</summary>
    public void EndClaim(ClaimEnd end)
    {
        Interlocked.Decrement(ref _claimsInFlight);
        switch (end)
        {
            case ClaimEnd.QueueEmpty:
                Volatile.Write(ref _claimsLeft, 0);
                break;
            case ClaimEnd.Unused:
                Interlocked.Increment(ref _claimsLeft);
                break;
        }
    }

    /// <summary>Applies what the feed read. Claims in flight may be for people that it counted, so these are not claimed twice.</summary>
    public void Update(int waiting, int requestsInLastMinute, double longestWait, bool inRush)
    {
        Volatile.Write(ref _inRush, inRush);
        Volatile.Write(ref _waiting, waiting);
        Volatile.Write(ref _longestWait, longestWait);
        Volatile.Write(ref _requestsInLastMinute, requestsInLastMinute);
        Volatile.Write(ref _claimsLeft, Math.Max(0, waiting - Volatile.Read(ref _claimsInFlight)));
    }

    /// <summary>Adds a person who has just asked this replica, so that their claim need not wait for the feed.</summary>
    public void AddWaiting()
    {
        Interlocked.Increment(ref _waiting);
        Interlocked.Increment(ref _claimsLeft);
    }

    /// <summary>Counts a VM under its new snapshot instead of its old one; null stands for a VM that is not in this pool.</summary>
    internal void Count(VmSnapshot? before, VmSnapshot? after)
    {
        Interlocked.Add(ref _unready, One(after is { IsUnready: true }) - One(before is { IsUnready: true }));
        Interlocked.Add(ref _lost, One(after is { IsLost: true }) - One(before is { IsLost: true }));
        if (before?.Count is { } was)
        {
            Interlocked.Decrement(ref _counts[(int)was]);
        }
        if (after?.Count is { } now)
        {
            Interlocked.Increment(ref _counts[(int)now]);
        }

        static int One(bool condition) => condition ? 1 : 0;
    }
}
