namespace Allocator.Api.Web;

/// <summary>A value of an enum in a query, written as in bodies: in lower case, never as a number.</summary>
internal readonly record struct EnumQuery<T>(T Value)
    where T : struct, Enum
{
    /// <summary>By the framework, for parameters of this type.</summary>
    public static bool TryParse(string? text, out EnumQuery<T> result)
    {
        var parsed = Enum.TryParse<T>(text, ignoreCase: true, out var value) && char.IsAsciiLetter(text![0]);
        result = new EnumQuery<T>(value);
        return parsed;
    }
}
