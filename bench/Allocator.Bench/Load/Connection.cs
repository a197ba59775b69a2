using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Allocator.Bench.Load;

/// <summary>A reply; it must be read immediately, because the next one overwrites its bytes.</summary>
internal readonly ref struct Reply(int status, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
{
    /// <summary>Gets the status, or 0 if the connection was lost before the reply was complete.</summary>
    public int Status { get; } = status;

    public ReadOnlySpan<byte> Head { get; } = head;

    public ReadOnlySpan<byte> Body { get; } = body;
}

/// <summary>A keep-alive connection and its request in flight.</summary>
internal sealed class Connection(int index) : IDisposable
{
    private readonly byte[] _partial = new byte[64 * 1024];
    private int _have;
    private Socket? _socket;

    public int Index { get; } = index;

    public int Descriptor { get; private set; }

    /// <summary>Gets whether a poll is in flight.</summary>
    public bool IsWaiting { get; set; }

    /// <summary>Gets or sets the VM of that poll.</summary>
    public int Vm { get; set; }

    /// <summary>Gets or sets the time at which the poll was due; its latency starts then.</summary>
    public long Since { get; set; }

    public void Open(IPEndPoint server)
    {
        _socket?.Dispose();
        _have = 0;
        _socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        _socket.Connect(server);
        _socket.Blocking = false;
        Descriptor = (int)_socket.Handle;
    }

    /// <summary>Adds received bytes; returns true if they complete the reply.</summary>
    public bool TryTake(ReadOnlySpan<byte> bytes, out Reply reply)
    {
        if (_have == 0 && TryParse(bytes, out reply))
        {
            return true;
        }
        bytes.CopyTo(_partial.AsSpan(_have));
        _have += bytes.Length;
        if (!TryParse(_partial.AsSpan(0, _have), out reply))
        {
            return false;
        }
        _have = 0;
        return true;
    }

    public void Dispose() => _socket?.Dispose();

    private static bool TryParse(ReadOnlySpan<byte> bytes, out Reply reply)
    {
        reply = default;
        var end = bytes.IndexOf("\r\n\r\n"u8);
        if (end < 0 || !Utf8Parser.TryParse(bytes["HTTP/1.1 "u8.Length..], out int status, out _))
        {
            return false;
        }
        var head = bytes[..end];
        var body = bytes[(end + 4)..];
        if (status is not (304 or 204))
        {
            if (head.IndexOf("\r\nTransfer-Encoding: chunked"u8) >= 0 || head.IndexOf("\r\ntransfer-encoding: chunked"u8) >= 0)
            {
                if (!body.EndsWith("0\r\n\r\n"u8))
                {
                    return false;
                }
            }
            else if (Number(head, "\r\nContent-Length: "u8) is { } length && body.Length < length)
            {
                return false;
            }
        }
        reply = new Reply(status, head, body);
        return true;
    }

    /// <summary>Returns the number after <paramref name="name"/>.</summary>
    public static long? Number(ReadOnlySpan<byte> head, ReadOnlySpan<byte> name)
    {
        var at = head.IndexOf(name);
        if (at < 0)
        {
            at = IndexOfIgnoringCase(head, name);
        }
        return at >= 0 && Utf8Parser.TryParse(head[(at + name.Length)..], out long number, out _) ? number : null;
    }

    // HAProxy forwards headers in lower case.
    private static int IndexOfIgnoringCase(ReadOnlySpan<byte> head, ReadOnlySpan<byte> name)
    {
        for (var i = 0; i + name.Length <= head.Length; i++)
        {
            if (Ascii.EqualsIgnoreCase(head.Slice(i, name.Length), name))
            {
                return i;
            }
        }
        return -1;
    }
}
