using Allocator.Api.Settings;
using Microsoft.AspNetCore.Identity;

namespace Allocator.Api.Security;

/// <summary>Registers the three kinds of caller, each a scheme and a policy of the same name.</summary>
internal static class SecuritySetup
{
    public static void AddSecurity(this IHostApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddSettings<AdminOptions, AdminOptions.Validator>(AdminOptions.Section);
        services.AddSettings<EnrolmentOptions, EnrolmentOptions.Validator>(EnrolmentOptions.Section);
        services.AddSingleton<IPasswordHasher<string>, PasswordHasher<string>>();
        services.AddSingleton<Credentials>();
        if (builder.Environment.IsDevelopment())
        {
            DevelopmentCredentials.AddWhereNoneAreSet(builder);
        }

        // The core only: the rest would keep keys on disk for cookies that nobody gets here.
        services.AddWebEncoders();
        services.AddAuthenticationCore(schemes =>
        {
            schemes.AddScheme<VmAuthentication>(VmAuthentication.Name, null);
            schemes.AddScheme<EnrolmentAuthentication>(EnrolmentAuthentication.Name, null);
            schemes.AddScheme<AdminAuthentication>(AdminAuthentication.Name, null);
        });
        services.AddTransient<VmAuthentication>().AddTransient<EnrolmentAuthentication>().AddTransient<AdminAuthentication>();
        var policies = services.AddAuthorizationBuilder();
        foreach (var caller in new[] { VmAuthentication.Name, EnrolmentAuthentication.Name, AdminAuthentication.Name })
        {
            policies.AddPolicy(caller, policy => policy.AddAuthenticationSchemes(caller).RequireAuthenticatedUser());
        }
    }
}
