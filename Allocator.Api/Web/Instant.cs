namespace Allocator.Api.Web;

/// <summary>The rule for points in time in requests.</summary>
internal static class Instant
{
    public const string Rule = "a time with its zone, such as 2026-02-03T09:00:00Z";

    /// <summary>Returns whether the time is unambiguous; null counts as unambiguous.</summary>
    public static bool HasTimeZone(DateTime? time) => time is not { Kind: DateTimeKind.Unspecified };
}
