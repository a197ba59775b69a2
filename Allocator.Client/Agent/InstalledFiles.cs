namespace Allocator.Client.Agent;

/// <summary>The paths that an installed client uses, as a package or by <c>allocator install</c>.</summary>
internal static class InstalledFiles
{
    public const string ConfigurationFolder = "/etc/allocator";
    public const string Configuration = $"{ConfigurationFolder}/client.json";
    public const string EnrolmentToken = $"{ConfigurationFolder}/enrolment-token";
    public const string Environment = "/etc/default/allocator";
    public const string StateFolder = "/var/lib/allocator";
}
