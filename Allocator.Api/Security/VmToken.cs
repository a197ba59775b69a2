using System.Buffers.Text;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using Microsoft.Extensions.Primitives;

namespace Allocator.Api.Security;

/// <summary>
/// A VM's bearer token: <c>&lt;hostname&gt;.&lt;256 random bits, base64url&gt;</c>. The name in front tells a VM that
/// knocks at another's door (403) from one that nobody knows (401) without a look-up by token.
/// </summary>
internal static class VmToken
{
    /// <summary>What a 401 asks for.</summary>
    public const string Challenge = "Bearer realm=\"Allocator\"";

    private const string Scheme = "Bearer ";
    private const int SecretBytes = 32;
    private const int SecretChars = 43;

    public static string Create(string hostname) => $"{hostname}.{Secret()}";

    /// <summary>256 random bits, base64url.</summary>
    public static string Secret() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));

    /// <summary>The host name in front of the token; empty where there is none.</summary>
    public static ReadOnlySpan<char> HostnameOf(ReadOnlySpan<char> token)
    {
        var dot = token.LastIndexOf('.');
        return dot < 0 ? [] : token[..dot];
    }

    /// <summary>The 256 bits behind the name; all zero where there are none.</summary>
    public static Vector256<byte> SecretOf(ReadOnlySpan<char> token)
    {
        Span<byte> bits = stackalloc byte[SecretBytes];
        var text = token[(token.LastIndexOf('.') + 1)..];
        return text.Length == SecretChars && Base64Url.TryDecodeFromChars(text, bits, out var count) && count == SecretBytes
            ? Vector256.Create<byte>(bits)
            : Vector256<byte>.Zero;
    }

    /// <summary>The token of an Authorization header; empty where there is none.</summary>
    public static ReadOnlySpan<char> FromHeader(StringValues authorization)
    {
        var header = authorization.Count == 1 ? authorization[0].AsSpan() : [];
        return header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? header[Scheme.Length..].Trim() : [];
    }
}
