namespace Allocator.Client.Agent.Systemd;

/// <summary>The account that the service runs as.</summary>
internal static class ServiceUser
{
    public const string Name = "allocator";

    /// <summary>Returns whether an <c>/etc/passwd</c> with this content has the account.</summary>
    public static bool IsIn(string? passwd) =>
        (passwd ?? "").Split('\n').Any(line => line.StartsWith(Name + ":", StringComparison.Ordinal));
}
