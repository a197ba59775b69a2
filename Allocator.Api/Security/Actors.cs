using System.Security.Claims;

namespace Allocator.Api.Security;

/// <summary>Who did it, as events name them.</summary>
internal static class Actors
{
    public const string Person = "person";

    /// <summary>The admin, or the person where nobody has proved to be one.</summary>
    public static string Actor(this ClaimsPrincipal caller) =>
        caller.Identity is { IsAuthenticated: true, Name: { } name } ? $"admin:{name}" : Person;
}
