using System.Globalization;
using System.Text;

namespace Allocator.Contracts;

/// <summary>
/// Text that a terminal, a log and a page show as it is. It has no control characters, with which a terminal can be
/// commanded, and none of the invisible characters that reorder, hide or break the text beside them.
/// </summary>
public static class PlainText
{
    /// <summary>Returns whether the text is one line of harmless characters.</summary>
    public static bool IsPlain(string text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (IsHarmful(rune))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>Removes harmful characters; line breaks and tabs stay.</summary>
    public static string Strip(string text) => Replace(text, _ => "");

    /// <summary>Writes harmful characters as their code points, such as <c>\u001B</c>; line breaks and tabs stay.</summary>
    public static string MakeVisible(string text) => Replace(text, rune => string.Create(CultureInfo.InvariantCulture, $"\\u{rune.Value:X4}"));

    private static string Replace(string text, Func<Rune, string> replacement)
    {
        if (IsPlain(text))
        {
            return text;
        }
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            result.Append(IsHarmful(rune) && rune.Value is not ('\n' or '\t') ? replacement(rune) : rune.ToString());
        }
        return result.ToString();
    }

    // Among the format characters, the two joiners belong to the scripts of whole languages, and to emoji.
    private static bool IsHarmful(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => true,
        UnicodeCategory.Format => rune.Value is not (0x200C or 0x200D),
        _ => false,
    };
}
