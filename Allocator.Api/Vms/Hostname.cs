using System.Text.RegularExpressions;
using FluentValidation;

namespace Allocator.Api.Vms;

/// <summary>Host names as RFC 1123 writes them; upper and lower case are the same.</summary>
internal static partial class Hostname
{
    public const int MaxAllowed = 253;

    public const string Rule =
        "a host name: letters, digits and hyphens in labels of at most 63 characters, joined by dots, at most 253 characters in all";

    public static bool IsValid(string? text) => text is { Length: <= MaxAllowed } && Pattern().IsMatch(text);

    /// <summary>The form in which the fleet and the database know it.</summary>
    public static string Normalise(string hostname) => hostname.ToLowerInvariant();

    /// <summary>The rule for a host name that may be absent.</summary>
    public static void IsHostname<T>(this IRuleBuilder<T, string?> rule) =>
        rule.Must(hostname => hostname is null || IsValid(hostname)).WithMessage($"Must be {Rule}.");

    [GeneratedRegex(@"\A[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\z")]
    private static partial Regex Pattern();
}
