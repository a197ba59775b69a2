namespace Allocator.Polling;

/// <summary>What the polling client has to know.</summary>
public record AllocatorClientOptions
{
    /// <summary>Where the allocator is: http or https.</summary>
    public required Uri Url { get; init; }

    /// <summary>This VM's name in the fleet, in lower case; the machine's own by default.</summary>
    public string Hostname { get; init; } = Environment.MachineName.ToLowerInvariant();

    /// <summary>The pool to join; the server's default if null.</summary>
    public string? Pool { get; init; }

    /// <summary>What tells this machine from another under the same name; <c>/etc/machine-id</c> by default.</summary>
    public string MachineId { get => field ??= File.ReadAllText("/etc/machine-id").Trim(); init; }

    /// <summary>Changes with each boot; the kernel's by default.</summary>
    public string BootId { get => field ??= File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim(); init; }

    /// <summary>Exchanged for a token of the VM's own. Null: the VM has one already, and cannot get another.</summary>
    public string? EnrolmentToken { get; init; }

    /// <summary>Where token and last answer are kept, in files that only this program's user can read.</summary>
    public string StateFolder { get; init; } = "/var/lib/allocator";

    /// <summary>The first poll comes at random within this time, so that VMs that boot together do not poll together.</summary>
    public TimeSpan FirstPollWithin { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long one request may take.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(10);
}
