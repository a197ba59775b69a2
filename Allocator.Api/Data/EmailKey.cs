namespace Allocator.Api.Data;

/// <summary>The form of an e-mail address that is compared, so that a person is the same however they type their address.</summary>
internal static class EmailKey
{
    public static string Normalise(string email) => email.Trim().Normalize();

    public static string Of(string email) => Normalise(email).ToLowerInvariant();

    /// <summary>Returns the part of a key behind the @.</summary>
    public static string Domain(string key) => key[(key.LastIndexOf('@') + 1)..];
}
