using System.Globalization;

namespace Allocator.Contracts.Settings;

/// <summary>The definition of one setting, from which its validation, its error messages and its documentation are made.</summary>
/// <param name="Key">The key, with colons between its sections.</param>
/// <param name="Type">The type of the value.</param>
/// <param name="Default">The default value, or the text that documents it.</param>
/// <param name="Description">The text in <c>docs/configuration.md</c>.</param>
/// <param name="Min">The smallest value of a number or a time.</param>
/// <param name="Max">The largest value of a number or a time.</param>
/// <param name="Accepts">A description of the accepted values of any other type.</param>
/// <param name="Prefix">The prefix of the environment variable.</param>
internal sealed record SettingDefinition(
    string Key, Type Type, object? Default, string Description, IComparable? Min = null, IComparable? Max = null,
    string Accepts = "", string Prefix = "")
{
    /// <summary>The row of this setting in <c>docs/configuration.md</c>.</summary>
    public string DocumentationRow
    {
        get
        {
            var value = Format(Default) is { Length: > 0 } text ? $"`{text}`" : "";
            return string.Concat(new[] { $"`{Key}`", value, Range, Description }.Select(cell => cell.Length == 0 ? "| " : $"| {cell} ")) + "|";
        }
    }

    /// <summary>The accepted values, as <c>docs/configuration.md</c> shows them.</summary>
    public string Range =>
        Min is not null ? $"{Limit(Min)} – {Limit(Max)}"
        : Type.IsEnum ? string.Join(", ", Enum.GetNames(Type).Select(name => $"`{name}`"))
        : Type == typeof(bool) ? "`true`, `false`"
        : Accepts;

    private string Expected =>
        Type == typeof(TimeSpan) ? $"a time (hh:mm:ss) from {Format(Min)} to {Format(Max)}"
        : Type == typeof(int) ? $"a whole number from {Limit(Min)} to {Limit(Max)}"
        : Type.IsEnum ? $"one of {string.Join(", ", Enum.GetNames(Type))}"
        : Type == typeof(bool) ? "true or false"
        : Accepts;

    /// <summary>Parses a value; settings that are not numbers, times, words or flags accept every text.</summary>
    /// <returns>Null if the value is not accepted.</returns>
    public object? Parse(string text)
    {
        object? value =
            // Without a colon the framework would read a number of days.
            Type == typeof(TimeSpan)
                ? text.Contains(':', StringComparison.Ordinal) && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var time) ? time : null
            : Type == typeof(int) ? int.TryParse(text, CultureInfo.InvariantCulture, out var number) ? number : null
            : Type == typeof(bool) ? bool.TryParse(text, out var flag) ? flag : null
            : Type.IsEnum ? Enum.GetNames(Type).FirstOrDefault(name => name.Equals(text, StringComparison.OrdinalIgnoreCase))
            : text;
        return Min?.CompareTo(value) > 0 || Max?.CompareTo(value) < 0 ? null : value;
    }

    /// <summary>Returns the error message for a value that is not accepted.</summary>
    public string Refuse(string? value, string? expected = null) => Refuse(Prefix, Key, value, expected ?? Expected);

    /// <summary>Returns the error message for a wrong value.</summary>
    public static string Refuse(string prefix, string key, object? value, string expected) =>
        string.Create(CultureInfo.InvariantCulture, $"{Name(key, prefix)} is '{value}'; it must be {expected}.");

    /// <summary>Returns the error message for an unknown key, without its value: the key may be a misspelt secret.</summary>
    public static string RefuseUnknown(string prefix, string key, IEnumerable<string> knownKeys) =>
        $"{Name(key, prefix)} is '(hidden)'; it must be one of the settings in docs/configuration.md; "
        + $"did you mean {knownKeys.MinBy(known => Distance(known, key))}?";

    /// <summary>Returns a key together with the environment variable that sets it.</summary>
    public static string Name(string key, string prefix = "") =>
        $"{key} (environment variable {prefix}{key.Replace(":", "__", StringComparison.Ordinal)})";

    private static string Format(object? value) => value switch
    {
        null => "",
        TimeSpan time => (time.Days == 0 ? "" : $"{time.Days}.") + time.ToString(@"hh\:mm\:ss\.FFFFFFF", CultureInfo.InvariantCulture).TrimEnd('.'),
        bool flag => flag ? "true" : "false",
        System.Collections.ICollection => "",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    private static string Limit(IComparable? limit) =>
        limit is int number ? number.ToString("N0", CultureInfo.InvariantCulture) : Format(limit);

    /// <summary>Returns the Levenshtein distance of two keys, which ignores case.</summary>
    private static int Distance(string left, string right)
    {
        var row = Enumerable.Range(0, right.Length + 1).ToArray();
        for (var i = 1; i <= left.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var substitution = diagonal + (char.ToUpperInvariant(left[i - 1]) == char.ToUpperInvariant(right[j - 1]) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substitution, Math.Min(row[j], row[j - 1]) + 1);
            }
        }
        return row[^1];
    }
}
