using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Allocator.Api.Security;

/// <summary>
/// The SHA-256 of a token, in 32 bytes of its own place. Tokens hold 256 random bits, so that a fast hash keeps them:
/// there is nothing to guess.
/// </summary>
internal readonly struct TokenHash : IEquatable<TokenHash>
{
    /// <summary>The longest host name, a dot and 256 bits.</summary>
    private const int MaxToken = 253 + 1 + 43;

    private readonly ulong _a, _b, _c, _d;

    public TokenHash(ReadOnlySpan<byte> bytes)
    {
        _a = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        _b = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
        _c = BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]);
        _d = BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]);
    }

    /// <summary>Some of its bits: enough to tell one unknown token from another.</summary>
    public UInt128 Fingerprint => new(_a, _b);

    public static TokenHash Of(ReadOnlySpan<char> token)
    {
        // Longer ones are nobody's: what comes from outside must not decide how much is hashed.
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

    /// <summary>In constant time: how long it takes says nothing about where two hashes differ.</summary>
    public bool Equals(TokenHash other) => ((_a ^ other._a) | (_b ^ other._b) | (_c ^ other._c) | (_d ^ other._d)) == 0;

    public override bool Equals(object? obj) => obj is TokenHash other && Equals(other);

    public override int GetHashCode() => _a.GetHashCode();
}
