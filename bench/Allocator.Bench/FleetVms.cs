using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Allocator.Bench;

/// <summary>The VMs of the fleets that <see cref="Database"/> makes, numbered from 1: name and token follow from the number.</summary>
internal static class FleetVms
{
    public static string Hostname(int vm) => $"vm-{vm}";

    /// <summary>The VM's name, and 256 bits that are known here.</summary>
    public static string Token(int vm) => $"{Hostname(vm)}.{Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes($"bench{vm}")))}";
}
