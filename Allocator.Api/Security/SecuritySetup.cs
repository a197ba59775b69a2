using Allocator.Api.Settings;
using Microsoft.AspNetCore.Identity;

namespace Allocator.Api.Security;

/// <summary>Registers the credentials and the authentication of admins. Features register those of the other callers.</summary>
internal static class SecuritySetup
{
    public static void AddSecurity(this IHostApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddSettings<AdminOptions, AdminOptions.Validator>(AdminOptions.Section);
        services.AddSettings<EnrolmentOptions, EnrolmentOptions.Validator>(EnrolmentOptions.Section);
        services.AddSingleton<IPasswordHasher<string>, PasswordHasher<string>>();
        services.AddSingleton<SignInLimits>();
        services.AddSingleton<SignInFailures>();
        services.AddSingleton<Credentials>();
        services.AddSingleton<RefusalLog>();
        if (builder.Environment.IsDevelopment())
        {
            DevelopmentCredentials.AddIfNoneAreSet(builder);
        }

        // AddAuthenticationCore, not AddAuthentication: authentication without cookies needs no data-protection keys.
        services.AddWebEncoders();
        services.AddAuthenticationCore();
        services.AddCaller<AdminAuthentication>(Callers.Admin);
    }
}
