using System.Runtime.Intrinsics;
using Allocator.Api.Security;

namespace Allocator.Api.Fleet;

/// <summary>
/// One VM as a replica knows it: the newest picture of its row, and when it last polled here. What a steady poll needs
/// stands in this object itself, on two cache lines.
/// </summary>
internal sealed class FleetVm(FleetPool pool, VmSnapshot view)
{
    private VmSnapshot _view = view;
    private FleetPool _pool = pool;
    private long _facts = view.PollState.Word;
    private long _polledAt;
    private long _notedAt = long.MinValue;
    private int _isDue;
    private Vector256<byte> _secret;

    public VmSnapshot View => Volatile.Read(ref _view);

    public FleetPool Pool => Volatile.Read(ref _pool);

    public PollState PollState => new(Volatile.Read(ref _facts));

    /// <summary>When it last polled this replica, as <see cref="TimeProvider.GetTimestamp"/> counts.</summary>
    public long PolledAt => Volatile.Read(ref _polledAt);

    /// <summary>Takes over a picture of the row, unless it is older than the one that is here.</summary>
    public void Apply(FleetPool pool, VmSnapshot view)
    {
        lock (this)
        {
            if (view.Revision <= _view.Revision)
            {
                return;
            }
            if (view.IsDeleted || !view.TokenHash.Equals(_view.TokenHash))
            {
                _secret = default;
            }
            _pool.Count(_view, null);
            pool.Count(null, view);
            Volatile.Write(ref _pool, pool);
            Volatile.Write(ref _view, view);
            Volatile.Write(ref _facts, view.PollState.Word);
        }
    }

    /// <summary>
    /// Whether this is the VM's token. Its hash in the database proves it once; from then on its bits are remembered
    /// here, since hashing costs more than all the rest that the API does for a steady poll.
    /// </summary>
    public bool IsProvedBy(VmToken token)
    {
        if (!token.Hostname.SequenceEqual(View.Hostname))
        {
            return false;
        }
        if (HasProved(token))
        {
            return true;
        }
        var hash = TokenHash.Of(token.Text);
        lock (this)
        {
            if (!_view.TokenHash.Equals(hash))
            {
                return false;
            }
            // A deleted VM never takes the shortest way: it is answered by name.
            if (!_view.IsDeleted)
            {
                _secret = token.Secret;
            }
            return true;
        }
    }

    /// <summary>Whether the bits are those of the token that was proved here, in constant time. A half-written secret matches nothing.</summary>
    public bool HasProved(VmToken token) => token.Secret == _secret && token.Secret != Vector256<byte>.Zero;

    /// <summary>Notes a poll. True when it is time to tell the database, and to exactly one of the polls that ask at once.</summary>
    public bool TryBeginWrite(long now, long resolution)
    {
        Volatile.Write(ref _polledAt, now);
        return (_notedAt == long.MinValue || now - _notedAt >= resolution) && Interlocked.Exchange(ref _isDue, 1) == 0;
    }

    /// <summary>The poll is in the database.</summary>
    public void EndWrite(long at)
    {
        _notedAt = at;
        Volatile.Write(ref _isDue, 0);
    }
}
