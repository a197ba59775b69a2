using Allocator.Api.Pools;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Allocator.Api.Web;

/// <summary>What a request may cost.</summary>
internal static class Limits
{
    /// <summary>Bytes in a request's body.</summary>
    public const int LargestBody = 16 * 1024;

    /// <summary>Items on a page of a list.</summary>
    public const int LargestPage = 1_000;

    /// <summary>Items on a page where the request names no limit.</summary>
    public const int UsualPage = 100;

    /// <summary>What is wrong with the parameters that every list has; null where nothing is.</summary>
    public static ValidationProblem? Wrong(string? pool, int limit) =>
        limit is < 1 or > LargestPage ? Problems.Invalid("limit", $"1 to {LargestPage:N0}")
        : pool is not null && !PoolName.IsValid(pool) ? Problems.Invalid("pool", PoolName.Rule)
        : null;
}
