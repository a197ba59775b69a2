using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Allocator.Api.Security;

/// <summary>
/// The SHA-256 of a token, stored inline in 32 bytes. Tokens have 256 random bits, so a fast hash is enough: guessing
/// them is infeasible.
/// </summary>
internal readonly struct TokenHash : IEquatable<TokenHash>
{
    /// <summary>The length of the longest token: host name, dot and 256 bits in base64url.</summary>
    private const int MaxToken = 253 + 1 + 43;

    private readonly ulong _a, _b, _c, _d;

    public TokenHash(ReadOnlySpan<byte> bytes)
    {
        _a = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        _b = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
        _c = BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]);
        _d = BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]);
    }

    /// <summary>Gets half of the hash, which distinguishes unknown tokens in the read-through cache.</summary>
    public UInt128 Fingerprint => new(_a, _b);

    public static TokenHash Of(ReadOnlySpan<char> token)
    {
        // No valid token is longer. Without this check a caller could make the service hash megabytes.
        if (token.Length > MaxToken)
        {
            return default;
        }
        Span<byte> ascii = stackalloc byte[MaxToken];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(ascii[..Encoding.ASCII.GetBytes(token, ascii)], hash);
        return new TokenHash(hash);
    }

    public byte[] ToArray()
    {
        Span<TokenHash> self = [this];
        return MemoryMarshal.AsBytes(self).ToArray();
    }

    /// <summary>Compares in constant time, so that the duration does not reveal where two hashes differ.</summary>
    public bool Equals(TokenHash other) => ((_a ^ other._a) | (_b ^ other._b) | (_c ^ other._c) | (_d ^ other._d)) == 0;

    public override bool Equals(object? obj) => obj is TokenHash other && Equals(other);

    public override int GetHashCode() => _a.GetHashCode();
}
