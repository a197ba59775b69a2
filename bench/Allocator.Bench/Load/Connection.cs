using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Allocator.Bench.Load;

/// <summary>One reply, to be read at once: its bytes are overwritten by the next.</summary>
internal readonly ref struct Reply(int status, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
{
    /// <summary>0 where the connection was lost before the reply was whole.</summary>
    public int Status { get; } = status;

    public ReadOnlySpan<byte> Head { get; } = head;

    public ReadOnlySpan<byte> Body { get; } = body;
}

/// <summary>One keep-alive connection, and whose request is under way on it.</summary>
internal sealed class Connection(int index) : IDisposable
{
    private readonly byte[] _partial = new byte[64 * 1024];
    private int _have;
    private Socket? _socket;

    public int Index { get; } = index;

    public int Descriptor { get; private set; }

    /// <summary>Whether a poll is under way.</summary>
    public bool IsWaiting { get; set; }

    /// <summary>Whose poll that is.</summary>
    public int Vm { get; set; }

    /// <summary>When the poll was due, which is when its latency begins.</summary>
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

    /// <summary>Takes bytes that have come; true when they complete the reply.</summary>
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

    /// <summary>The number that stands behind <paramref name="name"/>.</summary>
    public static long? Number(ReadOnlySpan<byte> head, ReadOnlySpan<byte> name)
    {
        var at = head.IndexOf(name);
        if (at < 0)
        {
            at = IndexOfIgnoringCase(head, name);
        }
        return at >= 0 && Utf8Parser.TryParse(head[(at + name.Length)..], out long number, out _) ? number : null;
    }

    // HAProxy hands headers on in lower case.
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
