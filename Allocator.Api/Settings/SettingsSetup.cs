using Microsoft.Extensions.Options;

namespace Allocator.Api.Settings;

internal static class SettingsSetup
{
    /// <summary>Binds a section of the configuration; a wrong value or an unknown key in it stops the start.</summary>
    public static void AddSettings<TOptions>(this IServiceCollection services, string name)
        where TOptions : class
    {
        var section = new SettingsSection(name, typeof(TOptions), provider => provider.GetRequiredService<IOptions<TOptions>>().Value);
        services.AddSingleton(section);
        services.AddOptions<TOptions>().Configure<IConfiguration>((options, configuration) => section.Read(configuration, options)).ValidateOnStart();
    }

    /// <summary>Binds a section whose options have rules beyond those of single settings.</summary>
    public static void AddSettings<TOptions, TValidator>(this IServiceCollection services, string name)
        where TOptions : class
        where TValidator : class, IValidateOptions<TOptions>
    {
        services.AddSettings<TOptions>(name);
        services.AddSingleton<IValidateOptions<TOptions>, TValidator>();
    }

    /// <summary>Reads a section that decides what is registered, before the services are built.</summary>
    public static TOptions ReadSettings<TOptions>(this IConfiguration configuration, string name)
        where TOptions : class, new()
    {
        var options = new TOptions();
        new SettingsSection(name, typeof(TOptions), _ => options).Read(configuration, options);
        return options;
    }
}
