namespace Allocator.Api.Assignments;

/// <summary>An address as it is compared: one person, however they type it.</summary>
internal static class EmailKey
{
    public static string Normalise(string email) => email.Trim().Normalize();

    public static string Of(string email) => Normalise(email).ToLowerInvariant();

    /// <summary>What follows the @.</summary>
    public static string Domain(string key) => key[(key.LastIndexOf('@') + 1)..];
}
