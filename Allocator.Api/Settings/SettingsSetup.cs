using Microsoft.Extensions.Options;

namespace Allocator.Api.Settings;

internal static class SettingsSetup
{
    /// <summary>Binds a section of the configuration; a wrong setting in it, or one that it does not have, stops the start.</summary>
    public static void AddSettings<TOptions, TValidator>(this IServiceCollection services, string section)
        where TOptions : class
        where TValidator : class, IValidateOptions<TOptions>
    {
        var settings = new SettingsSection(section, typeof(TOptions), provider => provider.GetRequiredService<IOptions<TOptions>>().Value);
        services.AddSingleton(settings);
        services.AddOptions<TOptions>().BindConfiguration(section).ValidateOnStart();
        services.AddSingleton<IValidateOptions<TOptions>>(provider =>
            new UnknownSettingsValidator<TOptions>(settings, provider.GetRequiredService<IConfiguration>()));
        services.AddSingleton<IValidateOptions<TOptions>, TValidator>();
    }
}
