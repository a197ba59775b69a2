using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Allocator.Client.Terminal;

/// <summary>A new value for a setting; <c>none</c> on the command line, null here, clears it.</summary>
internal sealed record Change<T>(T? Value);

/// <summary>Creates options and parses their values.</summary>
internal static class Options
{
    private static readonly string[] Durations = [@"h\:mm\:ss", @"hh\:mm\:ss", @"d\.hh\:mm\:ss"];

    public static Option<string?> Text(string name, string description, string helpName) =>
        new(name) { Description = description, HelpName = helpName };

    /// <summary>Creates an option that takes one of the names of an enum.</summary>
    public static Option<T?> Choice<T>(string name, string description)
        where T : struct, Enum
    {
        var words = Enum.GetValues<T>().Select(WireName).ToArray();
        var option = new Option<T?>(name)
        {
            Description = description,
            HelpName = string.Join('|', words),
            CustomParser = result => Parse<T?>(result, $"one of {string.Join(", ", words)}",
                word => words.Contains(word) && Enum.TryParse<T>(word, ignoreCase: true, out var value) ? value : null),
        };
        option.CompletionSources.Clear();
        option.CompletionSources.Add(words);
        return option;
    }

    public static Option<DateTime?> Time(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "hh:mm|timestamp",
        CustomParser = result => Parse(result, TimeRule, ReadTime),
    };

    public static Option<TimeSpan?> Duration(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "hh:mm:ss|90s|15m|2h",
        CustomParser = result => Parse(result, DurationRule, ReadDuration),
    };

    public static Option<int?> Number(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "number",
        CustomParser = result => Parse<int?>(
            result, "a number", digits => int.TryParse(digits, CultureInfo.InvariantCulture, out var number) ? number : null),
    };

    public static Option<Change<DateTime?>?> TimeOrNone(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "hh:mm|timestamp|none",
        CustomParser = result => Parse(result, $"{TimeRule}, or none", word => ReadChange(word, ReadTime)),
    };

    public static Option<Change<TimeSpan?>?> DurationOrNone(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "hh:mm:ss|90s|15m|2h|none",
        CustomParser = result => Parse(result, $"{DurationRule}, or none", word => ReadChange(word, ReadDuration)),
    };

    public static Option<Change<int?>?> NumberOrNone(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "number|none",
        CustomParser = result => Parse(result, "a number, or none", word => ReadChange<int?>(
            word, digits => int.TryParse(digits, CultureInfo.InvariantCulture, out var number) ? number : null)),
    };

    public static Option<int> Limit(string items) => new("--limit")
    {
        Description = $"Maximum number of {items} to list",
        HelpName = "number",
        DefaultValueFactory = _ => 1_000,
        Validators = { CheckLimit },
    };

    /// <summary>Returns the name that the API uses for an enum value.</summary>
    public static string WireName<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();

    public static string? WireName<T>(T? value)
        where T : struct, Enum => value is { } one ? WireName(one) : null;

    /// <summary>Formats a time for a query string.</summary>
    public static string? Instant(DateTime? time) => time?.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture);

    private const string TimeRule = "a time, such as 17:30 (today, here) or 2026-02-03T17:30:00Z";
    private const string DurationRule = "a time span, such as 02:00:00, 90s, 15m or 2h";

    private static void CheckLimit(OptionResult result)
    {
        if (result.Tokens is [.., var token] && !(int.TryParse(token.Value, CultureInfo.InvariantCulture, out var limit) && limit >= 1))
        {
            result.AddError("--limit must be a number from 1.");
        }
    }

    private static DateTime? ReadTime(string word) =>
        DateTimeOffset.TryParse(word, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out var time) ? time.UtcDateTime : null;

    private static TimeSpan? ReadDuration(string word) =>
        TimeSpan.TryParseExact(word, Durations, CultureInfo.InvariantCulture, out var duration) ? duration
        : word.Length is > 1 and < 8 && int.TryParse(word[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? word[^1] switch
        {
            's' => TimeSpan.FromSeconds(number),
            'm' => TimeSpan.FromMinutes(number),
            'h' => TimeSpan.FromHours(number),
            _ => null,
        }
        : null;

    private static Change<T>? ReadChange<T>(string word, Func<string, T?> read) =>
        word == "none" ? new Change<T>(default) : read(word) is { } value ? new Change<T>(value) : null;

    private static T? Parse<T>(ArgumentResult result, string rule, Func<string, T?> read)
    {
        var word = result.Tokens[^1].Value;
        var value = read(word);
        if (value is null)
        {
            result.AddError($"{(result.Parent as OptionResult)?.IdentifierToken?.Value} must be {rule}, not '{word}'.");
        }
        return value;
    }
}
