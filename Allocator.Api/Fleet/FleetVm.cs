using System.Runtime.Intrinsics;
using Allocator.Api.Security;

namespace Allocator.Api.Fleet;

/// <summary>
/// One VM as a replica knows it: the newest snapshot of its row, and when it last polled here. Everything that an unchanged
/// poll needs is in this object itself, on two cache lines.
/// </summary>
/// <remarks>
/// Writers lock the object itself: a lock object of its own would cost every one of a million VMs 24 bytes, and no code
/// outside of this class locks a VM.
/// </remarks>
internal sealed class FleetVm(FleetPool pool, VmSnapshot view)
{
    private VmSnapshot _view = view;
    private FleetPool _pool = pool;
    private long _pollState = view.PollState.Word;
    private long _polledAt;
    private long _writtenAt = long.MinValue;
    private int _isWriting;
    private Vector256<byte> _secret;

    public VmSnapshot View => Volatile.Read(ref _view);

    public FleetPool Pool => Volatile.Read(ref _pool);

    public PollState PollState => new(Volatile.Read(ref _pollState));

    /// <summary>Gets the timestamp (<see cref="TimeProvider.GetTimestamp"/>) of its last poll at this replica.</summary>
    public long PolledAt => Volatile.Read(ref _polledAt);

    /// <summary>Applies a snapshot of the row, unless it is older than the current one.</summary>
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
            Volatile.Write(ref _pollState, view.PollState.Word);
        }
    }

    /// <summary>
    /// Returns whether this is the VM's token. The hash in the database proves it once; after that its bits are kept here,
    /// because hashing costs more than everything else that the API does for an unchanged poll.
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
            // A deleted VM must not take the fast path, which would answer 304: it is looked up by name instead.
            if (!_view.IsDeleted)
            {
                _secret = token.Secret;
            }
            return true;
        }
    }

    /// <summary>Compares the bits with those of the proven token, in constant time. A partly written secret matches no token.</summary>
    public bool HasProved(VmToken token) => token.Secret == _secret && token.Secret != Vector256<byte>.Zero;

    /// <summary>Records a poll. Returns true for exactly one of concurrent callers when the liveness row is due to be written.</summary>
    public bool TryBeginWrite(long now, long resolution)
    {
        Volatile.Write(ref _polledAt, now);
        return (_writtenAt == long.MinValue || now - _writtenAt >= resolution) && Interlocked.Exchange(ref _isWriting, 1) == 0;
    }

    /// <summary>Records that the poll is in the database.</summary>
    public void EndWrite(long at)
    {
        _writtenAt = at;
        Volatile.Write(ref _isWriting, 0);
    }
}
