using System.Globalization;
using Microsoft.Extensions.Primitives;

namespace Allocator.Api.Polling;

/// <summary>
/// The entity tags of a VM's If-None-Match (RFC 9110 §13.1.2): one tag, a list of them, weak ones too, or <c>*</c>.
/// Tags that this API does not issue are ignored.
/// </summary>
internal readonly ref struct EntityTags
{
    private readonly StringValues _header;

    private EntityTags(StringValues header) => _header = header;

    /// <summary>Gets the newest generation that the header names, or 0 if it names none.</summary>
    public long Newest { get; private init; }

    /// <summary>Gets whether the header is <c>*</c>, which matches any generation.</summary>
    public bool Any { get; private init; }

    public static EntityTags Parse(StringValues header)
    {
        long newest = 0;
        var any = false;
        foreach (var line in header)
        {
            foreach (var range in line.AsSpan().Split(','))
            {
                var tag = line.AsSpan()[range].Trim();
                any |= tag is "*";
                newest = Math.Max(newest, Generation(tag));
            }
        }
        return new EntityTags(header) { Newest = newest, Any = any };
    }

    /// <summary>Returns whether the header names this generation.</summary>
    public bool Contains(long generation)
    {
        foreach (var line in _header)
        {
            foreach (var range in line.AsSpan().Split(','))
            {
                if (Generation(line.AsSpan()[range].Trim()) == generation)
                {
                    return true;
                }
            }
        }
        return false;
    }

    /// <summary>Returns whether the header is exactly the strong tag of this generation.</summary>
    public static bool IsStrong(string header, long generation) => header is ['"', ..] && Generation(header) == generation;

    private static long Generation(ReadOnlySpan<char> tag)
    {
        if (tag.StartsWith("W/"))
        {
            tag = tag[2..];
        }
        return tag is ['"', 'g', not '0', .., '"']
            && long.TryParse(tag[2..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var generation)
            ? generation
            : 0;
    }
}
