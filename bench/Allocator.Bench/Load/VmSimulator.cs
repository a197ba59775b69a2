using System.Diagnostics;

namespace Allocator.Bench.Load;

/// <summary>The totals of the simulated VMs.</summary>
internal sealed class VmTotals
{
    public Histogram Latencies { get; } = new();

    public long NotModified { get; set; }

    public long Bodies { get; set; }

    public long Errors { get; set; }
}

/// <summary>
/// Simulates VMs that poll as the client does: each poll is due at random between once and twice the max-age after the
/// previous one was due. The latency starts at the due time even if every connection is busy, so that a slow server does
/// not reduce the load.
/// </summary>
/// <param name="vms">The number of VMs, from the first of the fleet; all of them by default.</param>
/// <param name="obeysHints">Whether the VMs follow the server's max-age or always take <paramref name="maxAge"/>.</param>
internal sealed class VmSimulator(Uri server, PollRequests requests, int connections, TimeSpan maxAge, bool obeysHints, int? vms = null)
{
    /// <summary>A timer wheel with one slot per millisecond; a VM is linked into the slot of its next poll.</summary>
    private const int Slots = 1 << 17;

    /// <summary>
    /// With this many polls in flight, the load generator wakes once a millisecond: waking for each reply would
    /// cost as much as the server. A latency is then up to a millisecond too long.
    /// </summary>
    private const int Crowd = 8;

    private readonly int[] _slots = [.. Enumerable.Repeat(-1, Slots)];
    private readonly int[] _next = new int[requests.Count];
    private readonly Random _random = new(1);
    private readonly Queue<(int Vm, long Due)> _due = new();
    private readonly int _usual = (int)maxAge.TotalMilliseconds;
    private volatile bool _stopped;
    private volatile VmTotals _totals = new();

    /// <summary>Gets the handler of each body, called on the simulator's thread.</summary>
    public Action<int, ReadOnlySpan<byte>>? BodyReceived { get; init; }

    /// <summary>Resets the totals; returns the former ones.</summary>
    public VmTotals Reset() => Interlocked.Exchange(ref _totals, new VmTotals());

    public void Stop() => _stopped = true;

    /// <summary>Runs on a separate thread until it is stopped.</summary>
    public Task RunAsync() => Task.Factory.StartNew(Run, default, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private void Run()
    {
        using var epoll = new Epoll(server, connections);
        var idle = new Stack<Connection>(epoll.Connections);
        var started = Stopwatch.GetTimestamp();
        long slot = 0;
        for (var vm = 0; vm < (vms ?? requests.Count); vm++)
        {
            Schedule(vm, _random.Next(2 * _usual));
        }
        while (!_stopped)
        {
            for (var now = (long)Stopwatch.GetElapsedTime(started).TotalMilliseconds; slot <= now; slot++)
            {
                ref var head = ref _slots[slot % Slots];
                for (var vm = head; vm >= 0; vm = _next[vm])
                {
                    _due.Enqueue((vm, slot));
                }
                head = -1;
            }
            while (idle.Count > 0 && _due.TryDequeue(out var poll))
            {
                var connection = idle.Pop();
                (connection.Vm, connection.Since) = (poll.Vm, poll.Due);
                Epoll.Send(connection, requests[poll.Vm]);
            }
            if (epoll.Connections.Length - idle.Count > Crowd)
            {
                Epoll.Pause(microseconds: 1000);
            }
            epoll.Wait(1, (connection, reply) =>
            {
                Take(connection, reply);
                idle.Push(connection);
            });
        }

        void Take(Connection connection, Reply reply)
        {
            var totals = _totals;
            totals.Latencies.Add(started + (connection.Since * Stopwatch.Frequency / 1000), Stopwatch.GetTimestamp());
            requests.IsAnswered(connection.Vm) |= reply.Status is 304 or 200;
            switch (reply.Status)
            {
                case 304:
                    totals.NotModified++;
                    break;
                case 200:
                    totals.Bodies++;
                    requests.SetGeneration(connection.Vm, Connection.Number(reply.Head, "\r\nETag: \"g"u8)
                        ?? throw new InvalidOperationException("A body came without an entity tag."));
                    BodyReceived?.Invoke(connection.Vm, reply.Body);
                    break;
                default:
                    totals.Errors++;
                    break;
            }
            var hint = obeysHints ? (Connection.Number(reply.Head, "max-age="u8) * 1000) ?? _usual : _usual;
            Schedule(connection.Vm, Math.Max(slot, connection.Since + _random.NextInt64(hint, 2 * hint)));
        }

        void Schedule(int vm, long at)
        {
            ref var head = ref _slots[at % Slots];
            (_next[vm], head) = (head, vm);
        }
    }
}
