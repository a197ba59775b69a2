using System.Text;
using Allocator.Contracts;

namespace Allocator.Client.Agent.Hooks;

/// <summary>Makes a name for a person that is safe as a part of a path, an account or a command.</summary>
internal static class PersonName
{
    private const int MaxLocalPart = 20;

    /// <summary>
    /// Returns the beginning of the address and the end of the assignment's id, which is random: at most 32 letters
    /// <c>a</c> to <c>z</c>, digits and single hyphens, of which the first is a letter.
    /// </summary>
    public static string Of(AssignedPerson person)
    {
        var name = new StringBuilder();
        foreach (var c in person.Email.ToLowerInvariant().TakeWhile(c => c != '@'))
        {
            if (c is (>= 'a' and <= 'z') or (>= '0' and <= '9'))
            {
                name.Append(c);
            }
            else if (name is [.., not '-'])
            {
                name.Append('-');
            }
        }
        var local = name.ToString(0, Math.Min(name.Length, MaxLocalPart)).Trim('-');
        var start = local is [>= 'a' and <= 'z', ..] ? "" : local.Length == 0 ? "person" : "p-";
        return $"{start}{local}-{$"{person.Id:n}"[^8..]}";
    }
}
