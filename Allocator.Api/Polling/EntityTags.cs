using System.Globalization;
using Microsoft.Extensions.Primitives;

namespace Allocator.Api.Polling;

/// <summary>
/// What a VM's If-None-Match says (RFC 9110 §13.1.2): one tag, a list of them, weak ones too, or <c>*</c>.
/// Tags that are not ours name nothing.
/// </summary>
internal readonly ref struct EntityTags
{
    private readonly StringValues _header;

    private EntityTags(StringValues header) => _header = header;

    /// <summary>The newest generation that the VM says it has; 0 where it names none.</summary>
    public long Newest { get; private init; }

    /// <summary><c>*</c>: any generation will do.</summary>
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

    /// <summary>Whether the VM says that it has this very generation.</summary>
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

    /// <summary>Whether the header is nothing but this generation's own tag.</summary>
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
