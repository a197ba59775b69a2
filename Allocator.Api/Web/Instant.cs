namespace Allocator.Api.Web;

/// <summary>Points in time as requests name them.</summary>
internal static class Instant
{
    public const string Rule = "a time with its zone, such as 2026-02-03T09:00:00Z";

    /// <summary>Without a zone it would mean one time here and another there.</summary>
    public static bool HasTimeZone(DateTime? time) => time is not { Kind: DateTimeKind.Unspecified };
}
