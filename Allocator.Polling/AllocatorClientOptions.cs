using System.Net;
using System.Security.Cryptography;

namespace Allocator.Polling;

/// <summary>The options of the polling client. Only <see cref="Url"/>, and a way to enrol, must be set.</summary>
public record AllocatorClientOptions
{
    private const string SystemStateFolder = "/var/lib/allocator";
    private const string SystemRuntimeFolder = "/run/allocator";

    /// <summary>Gets the address of the allocator: absolute, http or https.</summary>
    public required Uri Url { get; init; }

    /// <summary>Gets this VM's name in the fleet, in lower case; by default the machine's host name.</summary>
    public string Hostname { get; init; } = Environment.MachineName.ToLowerInvariant();

    /// <summary>Gets the pool to join; null for the server's default.</summary>
    public string? Pool { get; init; }

    /// <summary>Gets an id that distinguishes this machine from another of the same name; by default the content of <c>/etc/machine-id</c>.</summary>
    public string MachineId { get => field ??= File.ReadAllText("/etc/machine-id").Trim(); init; }

    /// <summary>Gets an id that changes with each boot; by default the kernel's boot id.</summary>
    public string BootId { get => field ??= File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim(); init; }

    /// <summary>
    /// Gets the function that returns the enrolment token, which is exchanged for a token of the VM's own. It is called each
    /// time the VM enrols, so a replaced token is found. If it throws or returns null, there is no token yet, and it is called
    /// again later. Null if the VM already has its own token; it then cannot get another.
    /// </summary>
    public Func<CancellationToken, ValueTask<string?>>? EnrolmentToken { get; init; }

    /// <summary>Gets the folder of the token and the last answer, in files that only this program's user can read.</summary>
    public string StateFolder { get; init; } = SystemStateFolder;

    /// <summary>
    /// Gets the folder of <see cref="StatusPath"/>, best in memory (tmpfs), because the file is written with each poll. By
    /// default <c>/run/allocator</c>, if it exists and the state folder is the default one. If null, the file is in the state
    /// folder and is written less often.
    /// </summary>
    public string? RuntimeFolder
    {
        get => field ?? (StateFolder == SystemStateFolder && Directory.Exists(SystemRuntimeFolder) ? SystemRuntimeFolder : null);
        init;
    }

    /// <summary>Gets the path of the file to which the client writes its <see cref="ClientStatus"/>.</summary>
    public string StatusPath => Path.Combine(RuntimeFolder ?? StateFolder, "status.json");

    /// <summary>
    /// Gets how long the allocator may be silent before contact counts as lost. The first failed poll after this time detects it.
    /// </summary>
    public TimeSpan LostContactAfter { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Gets the maximum delay of the first poll. The delay is random, so that VMs that boot together do not poll together.</summary>
    public TimeSpan FirstPollWithin { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Gets the timeout of one request.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Gets the proxy to use, with its credentials; null to use the proxy of the environment (<c>HTTPS_PROXY</c>,
    /// <c>HTTP_PROXY</c>, <c>NO_PROXY</c>), if any.
    /// </summary>
    public IWebProxy? Proxy { get; init; }

    /// <summary>Gets a PEM file with the certificates of authorities to trust in addition to the system's.</summary>
    public string? CaFile { get; init; }

    /// <summary>Gets whether only the authorities in <see cref="CaFile"/> are trusted.</summary>
    public bool TrustsOnlyCaFile { get; init; }

    /// <summary>Gets the machine's uptime when this program started; null if the steps of its startup are not reported.</summary>
    public TimeSpan? Uptime { get; init; }

    /// <summary>Gets how long a connection is used before it is replaced; null for 5 minutes.</summary>
    internal TimeSpan? ConnectionLifetime { get; init; }

    /// <summary>Gets whether no file is read or written, because a program that simulates many VMs forgets them when it ends.</summary>
    internal bool KeepsNothing { get; init; }

    /// <exception cref="ArgumentException">An option is wrong.</exception>
    internal void Check()
    {
        Require(Url is { IsAbsoluteUri: true, Scheme: "http" or "https" }, nameof(Url), Url, "an absolute http or https address");
        Require(Hostname.Length > 0 && !Hostname.Any(char.IsUpper), nameof(Hostname), Hostname, "a host name in lower case");
        Require(StateFolder.Length > 0, nameof(StateFolder), StateFolder, "a folder");
        Require(RuntimeFolder is null or { Length: > 0 }, nameof(RuntimeFolder), RuntimeFolder, "a folder, or null");
        Require(LostContactAfter > TimeSpan.Zero, nameof(LostContactAfter), LostContactAfter, "longer than zero");
        Require(FirstPollWithin >= TimeSpan.Zero, nameof(FirstPollWithin), FirstPollWithin, "zero or longer");
        Require(RequestTimeout > TimeSpan.Zero, nameof(RequestTimeout), RequestTimeout, "longer than zero");
        Require(CaFile is not null || !TrustsOnlyCaFile, nameof(CaFile), CaFile, $"set if {nameof(TrustsOnlyCaFile)} is true");
        RequireReadable(() => MachineId, nameof(MachineId));
        RequireReadable(() => BootId, nameof(BootId));
        if (CaFile is not null)
        {
            RequireReadable(() => $"{Connections.ReadCertificates(CaFile).Count}", nameof(CaFile));
        }
    }

    private static void Require(bool isValid, string name, object? value, string expected)
    {
        if (!isValid)
        {
            throw new ArgumentException($"{name} is '{value}'; it must be {expected}.");
        }
    }

    private static void RequireReadable(Func<string> read, string name)
    {
        try
        {
            Require(read().Length > 0, name, "", "set");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new ArgumentException($"{name} cannot be read: {e.Message}", e);
        }
    }
}
