using System.Text.RegularExpressions;
using Allocator.Api.Data;

namespace Allocator.Api.Web;

/// <summary>The rule for e-mail addresses in requests.</summary>
internal static partial class EmailAddress
{
    public const string Rule = "an e-mail address such as ada@example.org, of at most 254 characters";

    private const int MaxLength = 254;
    private const string Part = @"[^\s\p{C}@<>()\[\]"",;:`\\]";
    private const string Label = @"[^\s\p{C}@<>()\[\]"",;:`\\.]";

    public static bool IsValid(string? email) =>
        // Also after normalization, which may lengthen an address and turns some harmless characters into others.
        email?.Trim() is { Length: <= MaxLength } trimmed && Pattern().IsMatch(trimmed)
        && EmailKey.Normalise(trimmed) is { Length: <= MaxLength } normalized && Pattern().IsMatch(normalized);

    /// <summary>
    /// Matches a local part, one @, and a domain with a dot; no spaces, brackets, double quotes, backticks, separators or
    /// control characters.
    /// </summary>
    [GeneratedRegex(@"\A" + Part + "+@" + Label + @"+(\." + Label + @"+)+\z")]
    private static partial Regex Pattern();
}
