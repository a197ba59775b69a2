namespace Allocator.Api.Settings;

/// <summary>The value of this setting is shown to nobody.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SecretAttribute : Attribute
{
    /// <summary>A connection string: all of it can be shown but for its passwords.</summary>
    public bool IsConnectionString { get; set; }
}
