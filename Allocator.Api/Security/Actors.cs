using System.Security.Claims;

namespace Allocator.Api.Security;

/// <summary>Names the causes of events.</summary>
internal static class Actors
{
    public const string Person = "person";

    /// <summary>Returns the authenticated admin, or else a person.</summary>
    public static string Actor(this ClaimsPrincipal caller) =>
        caller.Identity is { IsAuthenticated: true, Name: { } name } ? $"admin:{name}" : Person;
}
