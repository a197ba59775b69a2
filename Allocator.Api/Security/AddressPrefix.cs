using System.Net;
using System.Net.Sockets;

namespace Allocator.Api.Security;

/// <summary>
/// What counts as one caller among the anonymous: an IPv4 address, or the /64 of an IPv6 address, since one host has
/// all of that network to choose from.
/// </summary>
internal readonly record struct AddressPrefix(UInt128 Bits)
{
    public static AddressPrefix Of(IPAddress? address)
    {
        if (address is null)
        {
            return default;
        }
        Span<byte> bytes = stackalloc byte[16];
        (address.AddressFamily == AddressFamily.InterNetwork ? address.MapToIPv6() : address).TryWriteBytes(bytes, out _);
        if (!address.IsIPv4MappedToIPv6 && address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            bytes[8..].Clear();
        }
        return new AddressPrefix(System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(bytes));
    }
}
