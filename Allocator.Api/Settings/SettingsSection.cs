using System.Reflection;

namespace Allocator.Api.Settings;

/// <summary>One section of the configuration, and the options that it fills.</summary>
/// <param name="Name">Empty: its settings stand at the root, each under a name of its own.</param>
/// <param name="InForce">The options as they are used.</param>
internal sealed record SettingsSection(string Name, Type Options, Func<IServiceProvider, object> InForce)
{
    public IEnumerable<PropertyInfo> Settings => Options.GetProperties(BindingFlags.Public | BindingFlags.Instance);

    /// <summary>The key of a setting, as in <c>appsettings.json</c>.</summary>
    public string Key(PropertyInfo setting)
    {
        var name = setting.GetCustomAttribute<ConfigurationKeyNameAttribute>()?.Name ?? setting.Name;
        return Name.Length == 0 ? name : $"{Name}:{name}";
    }
}
