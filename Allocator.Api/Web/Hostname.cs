using System.Text.RegularExpressions;
using FluentValidation;

namespace Allocator.Api.Web;

/// <summary>A host name as RFC 1123 defines it, in lower case: upper and lower case mean the same VM.</summary>
internal readonly partial record struct Hostname
{
    public const int MaxAllowed = 253;

    public const string Rule =
        "a host name: letters, digits and hyphens in labels of at most 63 characters, joined by dots, at most 253 characters in all";

    private readonly string _name;

    private Hostname(string name) => _name = name;

    /// <summary>Reads a host name. The framework calls this for parameters of this type.</summary>
    public static bool TryParse(string? text, out Hostname hostname)
    {
        var isValid = text is { Length: <= MaxAllowed } && Pattern().IsMatch(text);
        hostname = isValid ? new Hostname(text!.ToLowerInvariant()) : default;
        return isValid;
    }

    /// <summary>Converts a host name of a body that has been validated; null stays null.</summary>
    /// <exception cref="FormatException">The text is not a host name.</exception>
    public static Hostname? Of(string? validated) =>
        validated is null ? null : TryParse(validated, out var hostname) ? hostname : throw new FormatException($"'{validated}' is not a host name.");

    public static implicit operator string(Hostname hostname) => hostname._name;

    public override string ToString() => _name;

    [GeneratedRegex(@"\A[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\z")]
    private static partial Regex Pattern();
}

internal static class HostnameRule
{
    /// <summary>Requires a host name, or null.</summary>
    public static void IsHostname<T>(this IRuleBuilder<T, string?> rule) =>
        rule.Must(name => name is null || Hostname.TryParse(name, out _)).WithMessage($"Must be {Hostname.Rule}.");
}
