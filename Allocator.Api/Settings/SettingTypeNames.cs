namespace Allocator.Api.Settings;

/// <summary>What a setting's type takes, in words.</summary>
internal static class SettingTypeNames
{
    public static string For(Type? type) => type switch
    {
        { IsEnum: true } => "one of " + string.Join(", ", Enum.GetNames(type)),
        not null when type == typeof(TimeSpan) => "a time (hh:mm:ss)",
        not null when type == typeof(int) => "a whole number",
        not null when type == typeof(bool) => "true or false",
        _ => "of another type; docs/configuration.md says which",
    };
}
