using System.Text.RegularExpressions;

namespace Allocator.Api.Assignments;

/// <summary>
/// The line that Chrome Remote Desktop shows a person to paste. It comes from a stranger and is meant for a VM, so
/// nothing of it goes on but the one-time code, and only if that is made of harmless characters.
/// </summary>
internal static partial class RemoteDesktopCode
{
    public const int MaxAllowed = 2_048;

    public const string Rule =
        "the whole line that Chrome Remote Desktop shows, with exactly one --code=\"…\" made of letters, digits and _ / -";

    /// <summary>The code in the pasted line; null where there is none, more than one, or one that is not harmless.</summary>
    public static string? Code(string commandLine)
    {
        if (commandLine.Length > MaxAllowed)
        {
            return null;
        }
        var options = CodeOption().Matches(commandLine);
        return options.Count == 1 && HarmlessCode().Match(commandLine, options[0].Index) is { Success: true } match
            ? match.Groups["code"].Value
            : null;
    }

    [GeneratedRegex("--code")]
    private static partial Regex CodeOption();

    [GeneratedRegex("""\G--code[= ](?<quote>["']?)(?<code>[A-Za-z0-9_/-]{1,512})\k<quote>(?=\s|\z)""")]
    private static partial Regex HarmlessCode();
}
