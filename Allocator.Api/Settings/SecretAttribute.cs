namespace Allocator.Api.Settings;

/// <summary>Marks a setting whose value is never shown.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SecretAttribute : Attribute
{
    /// <summary>Gets or sets whether the value is a connection string, of which only the passwords are hidden.</summary>
    public bool IsConnectionString { get; set; }
}
