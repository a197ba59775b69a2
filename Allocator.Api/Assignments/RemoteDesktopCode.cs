using System.Text.RegularExpressions;

namespace Allocator.Api.Assignments;

/// <summary>
/// Extracts the one-time code from the command line that Chrome Remote Desktop shows. The command is untrusted and its code
/// reaches a VM, so nothing but the code is used, and only if it consists of harmless characters.
/// </summary>
internal static partial class RemoteDesktopCode
{
    public const int MaxAllowed = 2_048;

    public const string Rule =
        "the whole command line that Chrome Remote Desktop shows, with exactly one --code=\"…\" made of letters, digits and _ / -";

    /// <summary>Returns the code, or null if there is none, more than one, or one with other characters.</summary>
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
