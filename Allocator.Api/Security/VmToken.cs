using System.Buffers.Text;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using Microsoft.Extensions.Primitives;

namespace Allocator.Api.Security;

/// <summary>
/// A VM's bearer token: <c>&lt;hostname&gt;.&lt;256 random bits, base64url&gt;</c>. With the host name prefix, a 403
/// (token of another VM) and a 401 (unknown token) need no lookup by token.
/// </summary>
internal readonly ref struct VmToken
{
    /// <summary>The challenge of a 401.</summary>
    public const string Challenge = "Bearer realm=\"Allocator\"";

    private const string Scheme = "Bearer ";
    private const int SecretBytes = 32;
    private const int SecretChars = 43;

    private VmToken(ReadOnlySpan<char> text)
    {
        Text = text;
        var dot = text.LastIndexOf('.');
        Hostname = dot < 0 ? [] : text[..dot];
        Span<byte> bits = stackalloc byte[SecretBytes];
        if (text.Length - dot - 1 == SecretChars && Base64Url.TryDecodeFromChars(text[(dot + 1)..], bits, out var count) && count == SecretBytes)
        {
            Secret = Vector256.Create<byte>(bits);
        }
    }

    public ReadOnlySpan<char> Text { get; }

    /// <summary>Gets the host name prefix, or an empty span.</summary>
    public ReadOnlySpan<char> Hostname { get; }

    /// <summary>Gets the 256 random bits, or zeros if there are none.</summary>
    public Vector256<byte> Secret { get; }

    public static VmToken Parse(ReadOnlySpan<char> text) => new(text);

    /// <summary>Reads the token of an Authorization header; it is empty if there is none.</summary>
    public static VmToken FromHeader(StringValues authorization)
    {
        var header = authorization.Count == 1 ? authorization[0].AsSpan() : [];
        return new VmToken(header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? header[Scheme.Length..].Trim() : []);
    }

    public static string Create(string hostname) => $"{hostname}.{RandomSecret()}";

    /// <summary>Returns 256 random bits in base64url.</summary>
    public static string RandomSecret() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));
}
