using System.Text.RegularExpressions;

namespace Allocator.Api.Web;

/// <summary>The rule for e-mail addresses in requests.</summary>
internal static partial class EmailAddress
{
    public const string Rule = "an e-mail address such as ada@example.org, of at most 254 characters";

    public static bool IsValid(string? email) => email?.Trim() is { Length: <= 254 } trimmed && Pattern().IsMatch(trimmed);

    /// <summary>Matches a local part, one @, and a domain with a dot; no spaces, brackets, quotes, separators or control characters.</summary>
    [GeneratedRegex(@"\A[^\s\p{C}@<>()\[\]"",;:\\]+@[^\s\p{C}@<>()\[\]"",;:\\.]+(\.[^\s\p{C}@<>()\[\]"",;:\\.]+)+\z")]
    private static partial Regex Pattern();
}
