using System.Text.RegularExpressions;
using FluentValidation;

namespace Allocator.Api.Web;

/// <summary>The rule for the names of pools.</summary>
internal static partial class PoolName
{
    public const string Default = "default";

    public const string Rule = "a pool's name: 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends";

    public static bool IsValid(string name) => Pattern().IsMatch(name);

    /// <summary>Requires the name of a pool, or null.</summary>
    public static void IsPoolName<T>(this IRuleBuilder<T, string?> rule) =>
        rule.Must(name => name is null || IsValid(name)).WithMessage($"Must be {Rule}.");

    [GeneratedRegex(@"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\z")]
    private static partial Regex Pattern();
}
