using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Allocator.Bench.Load;

/// <summary>The bytes of each VM's poll, created once, because building strings for a million VMs would be too slow.</summary>
internal sealed unsafe class PollRequests : IDisposable
{
    /// <summary>The room for a generation's digits and the closing quote.</summary>
    private const int ETagRoom = 12;

    private const string Tail = "\r\n\r\n";
    private readonly nint[] _starts;
    private readonly ushort[] _lengths;
    private readonly bool[] _answered;
    private readonly byte* _bytes;

    private PollRequests(int count, Func<int, string> text)
    {
        _starts = new nint[count];
        _lengths = new ushort[count];
        _answered = new bool[count];
        nint size = 0, room = 0;
        for (var i = 0; i < count; i++)
        {
            var request = text(i);
            if (size + request.Length > room)
            {
                room = (size + request.Length) * 2;
                _bytes = (byte*)NativeMemory.Realloc(_bytes, (nuint)room);
            }
            _starts[i] = size;
            _lengths[i] = (ushort)request.Length;
            size += Encoding.ASCII.GetBytes(request, new Span<byte>(_bytes + size, request.Length));
        }
    }

    /// <summary>Creates the polls of VMs with this generation, or 0 for none. Index 0 is the VM <paramref name="first"/>.</summary>
    public static PollRequests OfFleet(int first, int vms, long generation)
    {
        var requests = new PollRequests(vms, i => Text(FleetVms.Hostname(first + i), FleetVms.Token(first + i), $"g{new string(' ', ETagRoom)}"));
        for (var i = 0; i < vms; i++)
        {
            requests.SetGeneration(i, generation);
        }
        return requests;
    }

    /// <summary>Creates a request of the same size with the entity tag of another server.</summary>
    public static PollRequests OfFile(string etag) =>
        new(1, _ => Text(FleetVms.Hostname(0), FleetVms.Token(0), etag.TrimStart('"')));

    public int Count => _starts.Length;

    public ReadOnlySpan<byte> this[int vm] => new(_bytes + _starts[vm], _lengths[vm]);

    /// <summary>Gets whether this VM's poll has been answered; from then on the replica has verified its token.</summary>
    public ref bool IsAnswered(int vm) => ref _answered[vm];

    /// <summary>Sets the generation in this VM's If-None-Match. Trailing spaces are not part of the value.</summary>
    public void SetGeneration(int vm, long generation)
    {
        var room = new Span<byte>(_bytes + _starts[vm] + _lengths[vm] - Tail.Length - ETagRoom, ETagRoom);
        room.Fill((byte)' ');
        generation.TryFormat(room, out var digits, provider: CultureInfo.InvariantCulture);
        room[digits] = (byte)'"';
    }

    public void Dispose() => NativeMemory.Free(_bytes);

    private static string Text(string hostname, string token, string etag) =>
        $"GET /assignment/{hostname} HTTP/1.1\r\nHost: allocator\r\nAuthorization: Bearer {token}\r\nIf-None-Match: \"{etag}{Tail}";
}
