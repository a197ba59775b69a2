using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Allocator.Bench;

/// <summary>The VMs of the fleets that <see cref="Database.CreateFleetAsync"/> makes: name and token follow from the number.</summary>
internal static class FleetVms
{
    public static string Hostname(int i) => $"vm-{i}";

    /// <summary>As the database makes it: the VM's name, and 256 bits that are known here.</summary>
    public static string Token(int i) => $"{Hostname(i)}.{Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes($"bench{i}")))}";
}
