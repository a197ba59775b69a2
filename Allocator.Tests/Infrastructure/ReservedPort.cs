using System.Net;
using System.Net.Sockets;

namespace Allocator.Tests.Infrastructure;

/// <summary>
/// A loopback port that the system gives to nobody else during the lifetime of this object. The socket is bound but does
/// not listen, so a program that sets SO_REUSEADDR, as Kestrel and HAProxy do, can still bind the port and listen on it.
/// </summary>
internal sealed class ReservedPort : IDisposable
{
    /// <summary>The range below the ports that the system assigns by itself.</summary>
    private const int FirstUnassigned = 20_000, LastUnassigned = 30_000;

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    /// <param name="number">0 lets the system choose.</param>
    public ReservedPort(int number = 0)
    {
        try
        {
            _socket.Bind(new IPEndPoint(IPAddress.Loopback, number));
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    public int Number => ((IPEndPoint)_socket.LocalEndPoint!).Port;

    public string Authority => $"127.0.0.1:{Number}";

    public static ReservedPort[] Consecutive(int count)
    {
        while (true)
        {
            var first = Random.Shared.Next(FirstUnassigned, LastUnassigned);
            var reserved = new List<ReservedPort>();
            try
            {
                reserved.AddRange(Enumerable.Range(first, count).Select(number => new ReservedPort(number)));
                return [.. reserved];
            }
            catch (SocketException)
            {
                // One of them is in use: try others.
                reserved.ForEach(port => port.Dispose());
            }
        }
    }

    public void Dispose() => _socket.Dispose();
}
