using Microsoft.Extensions.Options;

namespace Allocator.Api.Settings;

/// <summary>
/// Finds what the framework takes in silence: a setting that nobody reads because its name is misspelt, a time without
/// colons, which it takes for days, and a number in place of a word.
/// </summary>
internal sealed class UnknownSettingsValidator<TOptions>(SettingsSection section, IConfiguration configuration) : IValidateOptions<TOptions>
    where TOptions : class
{
    public ValidateOptionsResult Validate(string? name, TOptions options)
    {
        var problems = new SettingProblems("");
        var settings = section.Settings.ToDictionary(section.Key, StringComparer.OrdinalIgnoreCase);
        foreach (var (key, setting) in settings)
        {
            var (type, value) = (setting.PropertyType, configuration[key]);
            problems.Require(type != typeof(TimeSpan) || value?.Contains(':', StringComparison.Ordinal) != false,
                key, value, SettingTypeNames.For(type));
            problems.Require(!type.IsEnum || value is null || Enum.GetNames(type).Contains(value, StringComparer.OrdinalIgnoreCase),
                key, value, SettingTypeNames.For(type));
        }
        if (section.Name.Length > 0)
        {
            foreach (var unknown in configuration.GetSection(section.Name).GetChildren().Where(child => !settings.ContainsKey(child.Path)))
            {
                // It may be a misspelt secret.
                problems.Require(false, unknown.Path, "(hidden)", $"one of the settings there are: {string.Join(", ", settings.Keys)}");
            }
        }
        return problems.Result;
    }
}
