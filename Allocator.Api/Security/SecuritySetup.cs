using Allocator.Api.Settings;
using Microsoft.AspNetCore.Identity;

namespace Allocator.Api.Security;

/// <summary>Registers an authentication scheme and a policy of the same name for each of the three kinds of caller.</summary>
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

        // AddAuthenticationCore, not AddAuthentication: without cookies we need no data-protection keys.
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
