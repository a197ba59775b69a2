using Allocator.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Allocator.Api.Web;

/// <summary>The limits of what a request may cost.</summary>
internal static class Limits
{
    /// <summary>The maximum number of bytes in a request body.</summary>
    public const int MaxBody = 16 * 1024;

    /// <summary>The maximum number of bytes in a body that is a list: a roster, or many VMs by name.</summary>
    public const int MaxList = 2 * 1024 * 1024;

    /// <summary>The maximum number of items that a body may list one by one.</summary>
    public const int MaxNamed = 10_000;

    /// <summary>The maximum length of a text to search for.</summary>
    public const int MaxText = 254;

    /// <summary>The maximum length of a pool's access code.</summary>
    public const int MaxAccessCode = 64;

    /// <summary>The maximum number of items on a page of a list.</summary>
    public const int MaxPage = 1_000;

    /// <summary>The number of items on a page if the request gives no limit.</summary>
    public const int DefaultPage = 100;

    public static readonly string SearchTextRule = $"1 to {MaxText} printable characters to look for";

    /// <summary>Checks the parameters that all lists have; returns null if they are valid.</summary>
    public static ValidationProblem? Validate(string? pool, int limit, string? text = null) =>
        limit is < 1 or > MaxPage ? Problems.Invalid("limit", $"1 to {MaxPage:N0}")
        : pool is not null && !PoolName.IsValid(pool) ? Problems.Invalid("pool", PoolName.Rule)
        : IsSearchText(text) ? null
        : Problems.Invalid("text", SearchTextRule);

    public static bool IsSearchText(string? text) => text is null || (text.Length is > 0 and <= MaxText && PlainText.IsPlain(text));
}
