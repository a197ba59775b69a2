using Microsoft.AspNetCore.Authentication;

namespace Allocator.Api.Security;

/// <summary>Names the three kinds of caller. Each has an authentication scheme and a policy of that name.</summary>
internal static class Callers
{
    public const string Admin = "Admin";
    public const string Vm = "Vm";
    public const string Enrolment = "Enrolment";

    public static void AddCaller<THandler>(this IServiceCollection services, string caller)
        where THandler : class, IAuthenticationHandler
    {
        services.AddTransient<THandler>();
        services.Configure<AuthenticationOptions>(schemes => schemes.AddScheme<THandler>(caller, null));
        services.AddAuthorizationBuilder().AddPolicy(caller, policy => policy.AddAuthenticationSchemes(caller).RequireAuthenticatedUser());
    }
}
