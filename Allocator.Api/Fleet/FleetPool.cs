namespace Allocator.Api.Fleet;

/// <summary>One pool as a replica knows it: how many VMs are free, how many people wait, and how many claims that allows.</summary>
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

    /// <summary>VMs that are nobody's and will be free once they say so: they clean, start, or were in error.</summary>
    public int Unready => Volatile.Read(ref _unready);

    /// <summary>VMs whose polls have stopped, whatever else they are.</summary>
    public int Lost => Volatile.Read(ref _lost);

    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>How long the first in the queue had waited when the feed last asked, in seconds; 0 where nobody waits.</summary>
    public double LongestWait => Volatile.Read(ref _longestWait);

    public int RequestsInLastMinute => Volatile.Read(ref _requestsInLastMinute);

    /// <summary>By its opening time, or by an admin's word.</summary>
    public bool InRush => Volatile.Read(ref _inRush);

    public int Vms() => Enum.GetValues<VmCount>().Sum(Vms);

    public int Vms(VmCount what) => Volatile.Read(ref _counts[(int)what]);

    /// <summary>Whether a claim is worth a query now.</summary>
    public bool MayClaim => Volatile.Read(ref _claimsLeft) > 0;

    /// <summary>Takes the right to make one claim; each is given back by <see cref="EndClaim"/>.</summary>
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

    /// <param name="nobodyWaits">The database said so: no more claims until somebody is known to wait.</param>
    /// <param name="unspent">Nobody was looked for; another VM may claim instead.</param>
    public void EndClaim(bool nobodyWaits, bool unspent)
    {
        Interlocked.Decrement(ref _claimsInFlight);
        if (nobodyWaits)
        {
            Volatile.Write(ref _claimsLeft, 0);
        }
        else if (unspent)
        {
            Interlocked.Increment(ref _claimsLeft);
        }
    }

    /// <summary>Takes over what the feed said. Claims under way may be of the very people it counted, so they are not allowed twice.</summary>
    public void Update(int waiting, int requestsInLastMinute, double longestWait, bool inRush)
    {
        Volatile.Write(ref _inRush, inRush);
        Volatile.Write(ref _waiting, waiting);
        Volatile.Write(ref _longestWait, longestWait);
        Volatile.Write(ref _requestsInLastMinute, requestsInLastMinute);
        Volatile.Write(ref _claimsLeft, Math.Max(0, waiting - Volatile.Read(ref _claimsInFlight)));
    }

    /// <summary>Somebody has just asked this very replica: no need to wait for the feed.</summary>
    public void AddWaiting()
    {
        Interlocked.Increment(ref _waiting);
        Interlocked.Increment(ref _claimsLeft);
    }

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
