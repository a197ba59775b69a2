using Allocator.Api.Pools;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Allocator.Api.Web;

/// <summary>What a request may cost.</summary>
internal static class Limits
{
    /// <summary>Bytes in a request's body.</summary>
    public const int MaxBody = 16 * 1024;

    /// <summary>Bytes in a body that is a list: a roster, or many VMs by name.</summary>
    public const int MaxList = 2 * 1024 * 1024;

    /// <summary>Items in a body that names them one by one.</summary>
    public const int MaxNamed = 10_000;

    /// <summary>Characters to look for.</summary>
    public const int MaxText = 254;

    /// <summary>Items on a page of a list.</summary>
    public const int MaxPage = 1_000;

    /// <summary>Items on a page where the request names no limit.</summary>
    public const int DefaultPage = 100;

    /// <summary>What is wrong with the parameters that every list has; null where nothing is.</summary>
    public static ValidationProblem? Wrong(string? pool, int limit, string? text = null) =>
        limit is < 1 or > MaxPage ? Problems.Invalid("limit", $"1 to {MaxPage:N0}")
        : pool is not null && !PoolName.IsValid(pool) ? Problems.Invalid("pool", PoolName.Rule)
        : IsText(text) ? null
        : Problems.Invalid("text", TextRule);

    public static readonly string TextRule = $"1 to {MaxText} printable characters to look for";

    public static bool IsText(string? text) => text is null || (text.Length is > 0 and <= MaxText && !text.Any(char.IsControl));
}
