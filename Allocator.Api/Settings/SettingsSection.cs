using System.Reflection;
using Allocator.Contracts.Settings;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Settings;

/// <summary>One section of the configuration and the options class that it fills.</summary>
/// <param name="Name">The section's name; empty for settings at the root, each under a name of its own.</param>
/// <param name="InForce">Returns the options that are in use.</param>
internal sealed record SettingsSection(string Name, Type Options, Func<IServiceProvider, object> InForce)
{
    private readonly object _defaults = Activator.CreateInstance(Options)!;

    public IEnumerable<PropertyInfo> Properties => Options.GetProperties(BindingFlags.Public | BindingFlags.Instance);

    public IEnumerable<SettingDefinition> Definitions => Properties.Select(Define);

    public SettingDefinition Define(PropertyInfo property)
    {
        var name = property.GetCustomAttribute<ConfigurationKeyNameAttribute>()?.Name ?? property.Name;
        var attribute = property.GetCustomAttribute<SettingAttribute>()
            ?? throw new InvalidOperationException($"{Options.Name}.{property.Name} has no {nameof(SettingAttribute)}.");
        return attribute.Define(Name.Length == 0 ? name : $"{Name}:{name}", property, _defaults);
    }

    /// <summary>Binds the section, which is checked first: the binder ignores unknown keys and accepts times without colons.</summary>
    /// <exception cref="OptionsValidationException">A value is not accepted, or a key is unknown.</exception>
    public void Read(IConfiguration configuration, object options)
    {
        if (Check(configuration).ToArray() is { Length: > 0 } problems)
        {
            throw new OptionsValidationException(Name, Options, problems);
        }
        (Name.Length == 0 ? configuration : configuration.GetSection(Name)).Bind(options);
    }

    /// <summary>Returns the error messages about this section: values that are not accepted and unknown keys.</summary>
    public IEnumerable<string> Check(IConfiguration configuration)
    {
        var definitions = Definitions.ToArray();
        var wrong =
            from definition in definitions
            let value = configuration[definition.Key]
            where value is not null && definition.Parse(value) is null
            select definition.Refuse(value);
        if (Name.Length == 0)
        {
            return wrong;
        }
        var keys = definitions.Select(definition => definition.Key).ToArray();
        return wrong.Concat(
            from child in configuration.GetSection(Name).GetChildren()
            where !keys.Contains(child.Path, StringComparer.OrdinalIgnoreCase)
            select SettingDefinition.RefuseUnknown("", child.Path, keys));
    }
}
