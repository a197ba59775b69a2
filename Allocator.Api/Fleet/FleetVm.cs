using System.Runtime.Intrinsics;
using Allocator.Api.Security;

namespace Allocator.Api.Fleet;

/// <summary>One VM as a replica knows it: the newest picture of its row, and when it last polled here.</summary>
internal sealed class FleetVm(FleetPool pool, VmView view)
{
    private VmView _view = view;
    private FleetPool _pool = pool;
    private long _polledAt;
    private long _notedAt = long.MinValue;
    private int _isDue;
    private Vector256<byte> _secret;

    public VmView View => Volatile.Read(ref _view);

    public FleetPool Pool => Volatile.Read(ref _pool);

    /// <summary>When it last polled this replica, as <see cref="TimeProvider.GetTimestamp"/> counts.</summary>
    public long PolledAt => Volatile.Read(ref _polledAt);

    /// <summary>Takes over a picture of the row, unless it is older than the one that is here.</summary>
    public void Apply(FleetPool pool, VmView view)
    {
        lock (this)
        {
            if (view.Revision <= _view.Revision)
            {
                return;
            }
            if (!view.TokenHash.Equals(_view.TokenHash))
            {
                _secret = default;
            }
            _pool.Count(_view, null);
            pool.Count(null, view);
            Volatile.Write(ref _pool, pool);
            Volatile.Write(ref _view, view);
        }
    }

    /// <summary>
    /// Whether this is the VM's token, in constant time. Its hash in the database proves it once; from then on its bits
    /// are remembered here, since hashing costs as much as all the rest of a steady poll.
    /// </summary>
    public bool IsProvedBy(ReadOnlySpan<char> token)
    {
        var secret = VmToken.SecretOf(token);
        if (secret == default || !VmToken.HostnameOf(token).SequenceEqual(View.Hostname))
        {
            return false;
        }
        if (secret == _secret)
        {
            return true;
        }
        var hash = TokenHash.Of(token);
        lock (this)
        {
            if (!_view.TokenHash.Equals(hash))
            {
                return false;
            }
            _secret = secret;
            return true;
        }
    }

    /// <summary>Notes a poll. True when it is time to tell the database, and to exactly one of the polls that ask at once.</summary>
    public bool NotePoll(long now, long resolution)
    {
        Volatile.Write(ref _polledAt, now);
        return (_notedAt == long.MinValue || now - _notedAt >= resolution) && Interlocked.Exchange(ref _isDue, 1) == 0;
    }

    /// <summary>The poll is in the database.</summary>
    public void Noted(long at)
    {
        _notedAt = at;
        Volatile.Write(ref _isDue, 0);
    }
}
