using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Allocator.Bench;

/// <summary>A connection to Redis with the part of RESP2 that a subscriber and a publisher need.</summary>
internal sealed class RedisConnection : IDisposable
{
    private const int ReadAtOnce = 512;

    private readonly Socket _socket;
    private readonly StreamReader _replies;

    private RedisConnection(Socket socket)
    {
        _socket = socket;
        _replies = new StreamReader(new NetworkStream(socket), Encoding.Latin1, false, ReadAtOnce);
    }

    public static async Task<RedisConnection> OpenAsync(int port)
    {
        // The connection is reset, like that of a lost machine: unread data is dropped and the port is free again.
        var socket =
            new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, LingerState = new LingerOption(true, 0) };
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port);
            return new RedisConnection(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public async Task<string[]> CallAsync(params string[] command)
    {
        var request = new StringBuilder().Append(CultureInfo.InvariantCulture, $"*{command.Length}\r\n");
        foreach (var word in command)
        {
            request.Append(CultureInfo.InvariantCulture, $"${word.Length}\r\n{word}\r\n");
        }
        await _socket.SendAsync(Encoding.Latin1.GetBytes(request.ToString()));
        return await ReadAsync(default);
    }

    /// <summary>Reads the next reply or message as a flat list of its parts.</summary>
    /// <exception cref="IOException">The connection has ended, or Redis refused.</exception>
    public async Task<string[]> ReadAsync(CancellationToken cancel)
    {
        var line = await _replies.ReadLineAsync(cancel) ?? throw new EndOfStreamException("Redis closed the connection.");
        switch (line[0])
        {
            case '+' or ':':
                return [line[1..]];
            case '$':
                var text = new char[int.Parse(line.AsSpan(1), CultureInfo.InvariantCulture) + "\r\n".Length];
                await _replies.ReadBlockAsync(text, cancel);
                return [new string(text, 0, text.Length - "\r\n".Length)];
            case '*':
                var parts = new List<string>();
                for (var left = int.Parse(line.AsSpan(1), CultureInfo.InvariantCulture); left > 0; left--)
                {
                    parts.AddRange(await ReadAsync(cancel));
                }
                return [.. parts];
            default:
                throw new IOException($"Redis replied: {line}");
        }
    }

    public void Dispose()
    {
        _socket.Dispose();
        _replies.Dispose();
    }
}
