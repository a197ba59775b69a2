using System.Net;
using System.Runtime.InteropServices;

namespace Allocator.Bench.Load;

/// <summary>Handles a complete reply.</summary>
internal delegate void Completed(Connection connection, Reply reply);

/// <summary>
/// Keep-alive connections that one thread serves with system calls: the load generator must cost less than the server.
/// Each has one request at a time, as a load balancer sends them.
/// </summary>
internal sealed unsafe partial class Epoll : IDisposable
{
    private const int EpollIn = 1, Add = 1, TryAgain = 11, Interrupted = 4, NoSignal = 0x4000;

    // struct epoll_event is packed on x64 only.
    private static readonly int EventBytes = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int DataOffset = EventBytes - sizeof(long);

    private readonly int _epoll = Create(0);
    private readonly IPEndPoint _server;
    private readonly byte[] _received = GC.AllocateArray<byte>(64 * 1024, pinned: true);
    private readonly byte[] _events;

    public Epoll(Uri server, int connections)
    {
        _server = new IPEndPoint(IPAddress.Parse(server.Host), server.Port);
        _events = GC.AllocateArray<byte>(connections * EventBytes, pinned: true);
        Connections = [.. Enumerable.Range(0, connections).Select(i => new Connection(i))];
        foreach (var connection in Connections)
        {
            Open(connection);
        }
    }

    public Connection[] Connections { get; }

    /// <summary>Sends the whole request: it is small, and no other is in flight on this connection.</summary>
    public static void Send(Connection connection, ReadOnlySpan<byte> request)
    {
        connection.IsWaiting = true;
        fixed (byte* bytes = request)
        {
            // A lost connection is detected when its reply is read.
            _ = Send(connection.Descriptor, bytes, request.Length, NoSignal);
        }
    }

    /// <summary>Sleeps so that replies accumulate.</summary>
    [LibraryImport("libc", EntryPoint = "usleep")]
    public static partial void Pause(uint microseconds);

    /// <summary>Waits for replies up to a time limit, and passes on each complete one.</summary>
    public void Wait(int milliseconds, Completed completed)
    {
        int ready;
        fixed (byte* events = _events)
        {
            ready = Wait(_epoll, events, Connections.Length, milliseconds);
        }
        if (ready < 0 && Marshal.GetLastPInvokeError() != Interrupted)
        {
            throw new InvalidOperationException($"epoll_wait failed: error {Marshal.GetLastPInvokeError()}.");
        }
        for (var i = 0; i < ready; i++)
        {
            var connection = Connections[BitConverter.ToInt32(_events, (i * EventBytes) + DataOffset)];
            int count;
            fixed (byte* bytes = _received)
            {
                count = (int)Receive(connection.Descriptor, bytes, _received.Length, 0);
            }
            if (count > 0)
            {
                // A proxy may close a connection that was idle for too long.
                if (connection.IsWaiting && connection.TryTake(_received.AsSpan(0, count), out var reply))
                {
                    connection.IsWaiting = false;
                    completed(connection, reply);
                }
            }
            else if (count == 0 || Marshal.GetLastPInvokeError() != TryAgain)
            {
                // Reconnects like a load balancer. A lost request is an error; a closed idle connection is not.
                Open(connection);
                if (connection.IsWaiting)
                {
                    connection.IsWaiting = false;
                    completed(connection, default);
                }
            }
        }
    }

    public void Dispose()
    {
        foreach (var connection in Connections)
        {
            connection.Dispose();
        }
        _ = Close(_epoll);
    }

    private void Open(Connection connection)
    {
        connection.Open(_server);
        Span<byte> watch = stackalloc byte[EventBytes];
        watch.Clear();
        BitConverter.TryWriteBytes(watch, EpollIn);
        BitConverter.TryWriteBytes(watch[DataOffset..], connection.Index);
        fixed (byte* bytes = watch)
        {
            if (Control(_epoll, Add, connection.Descriptor, bytes) != 0)
            {
                throw new InvalidOperationException($"epoll_ctl failed: error {Marshal.GetLastPInvokeError()}.");
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "epoll_create1")]
    private static partial int Create(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int Control(int epoll, int operation, int descriptor, byte* watch);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static partial int Wait(int epoll, byte* events, int most, int milliseconds);

    [LibraryImport("libc", EntryPoint = "send")]
    private static partial nint Send(int descriptor, byte* bytes, nint count, int flags);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(int descriptor, byte* bytes, nint count, int flags);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
