using System.Globalization;
using System.Reflection;
using Allocator.Contracts.Settings;

namespace Allocator.Api.Settings;

/// <summary>Describes a property of an options class as a setting. The property's initial value is the default.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SettingAttribute(string description) : Attribute
{
    /// <summary>The text in <c>docs/configuration.md</c>.</summary>
    public string Description { get; } = description;

    /// <summary>The smallest number, or time as <c>hh:mm:ss</c>.</summary>
    public object? Min { get; set; }

    /// <summary>The largest number, or time as <c>hh:mm:ss</c>.</summary>
    public object? Max { get; set; }

    /// <summary>A description of the accepted values of a setting without <see cref="Min"/> and <see cref="Max"/>.</summary>
    public string Accepts { get; set; } = "";

    public SettingDefinition Define(string key, PropertyInfo property, object defaults) =>
        new(key, property.PropertyType, property.GetValue(defaults), Description, Limit(Min), Limit(Max), Accepts);

    private static IComparable? Limit(object? limit) =>
        limit is string time ? TimeSpan.Parse(time, CultureInfo.InvariantCulture) : (IComparable?)limit;
}
