using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Allocator.Bench;

/// <summary>The VMs of the fleets that <see cref="Database"/> creates: name and token follow from the number, which starts at 1.</summary>
internal static class FleetVms
{
    public static string Hostname(int vm) => $"vm-{vm}";

    /// <summary>Returns the token: the VM's name and 256 bits that follow from its number.</summary>
    public static string Token(int vm) => $"{Hostname(vm)}.{Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes($"bench{vm}")))}";
}
