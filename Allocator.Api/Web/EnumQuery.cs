using Allocator.Contracts;

namespace Allocator.Api.Web;

/// <summary>An enum value in a query, written by its name as in bodies; numbers and lists are refused.</summary>
internal readonly record struct EnumQuery<T>(T Value)
    where T : struct, Enum
{
    /// <summary>Reads a value. The framework calls this for parameters of this type.</summary>
    public static bool TryParse(string? text, out EnumQuery<T> result)
    {
        var parsed = EnumNames.TryParse<T>(text, out var value);
        result = new EnumQuery<T>(value);
        return parsed;
    }
}
