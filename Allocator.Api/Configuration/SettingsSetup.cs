using Microsoft.Extensions.Options;

namespace Allocator.Api.Configuration;

internal static class SettingsSetup
{
    /// <summary>Binds a section of the configuration; a wrong setting in it stops the start.</summary>
    public static void AddSettings<TOptions, TValidator>(this IServiceCollection services, string section)
        where TOptions : class
        where TValidator : class, IValidateOptions<TOptions>
    {
        services.AddOptions<TOptions>().BindConfiguration(section).ValidateOnStart();
        services.AddSingleton<IValidateOptions<TOptions>, TValidator>();
    }
}
