using System.Collections.ObjectModel;
using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace Allocator.Contracts;

/// <summary>Body of <c>POST /vms</c>: enrols a machine.</summary>
/// <param name="Hostname">The RFC 1123 host name, at most 253 characters, which identifies the VM everywhere.</param>
/// <param name="MachineId">
/// Distinguishes this machine from another with the same host name, such as <c>/etc/machine-id</c>; 1–128 of <c>A–Z a–z
/// 0–9 . _ : -</c>.
/// </param>
/// <param name="Pool">The pool of the VM; <c>default</c> if absent.</param>
/// <param name="Metadata">Up to 32 facts for the admin (region, instance type, …): keys up to 64, values up to 256 characters.</param>
public sealed record EnrolmentRequest(
    [property: Required] string? Hostname,
    [property: Required] string? MachineId,
    string? Pool = null,
    IReadOnlyDictionary<string, string>? Metadata = null);

/// <summary>Answer of <c>POST /vms</c>.</summary>
/// <param name="Hostname">The host name in lower case, as it is stored.</param>
/// <param name="Pool">The pool of the VM.</param>
/// <param name="Token">The VM's own bearer token. It is shown only once; the allocator stores its hash.</param>
public sealed record Enrolment(string Hostname, string Pool, string Token);

/// <summary>Body of <c>PUT /vms/{hostname}/report</c>: reports what changed on the VM. Absent fields are left unchanged.</summary>
/// <param name="Status">The status that the VM reports of itself.</param>
/// <param name="Gpu">The health of its GPU.</param>
/// <param name="InUse">Whether the program that the workshop is about is running.</param>
/// <param name="BootId">An id that changes with each boot, such as <c>/proc/sys/kernel/random/boot_id</c>.</param>
/// <param name="Startup">The duration of each step of its start in seconds, by name; up to 32 steps.</param>
/// <param name="Warnings">
/// Texts about what an admin should check, by name, such as <c>disk</c>; up to 16 of at most 500 characters. They
/// replace all earlier warnings; an entry of null is ignored.
/// </param>
public sealed record VmReport(
    VmStatus? Status = null,
    GpuHealth? Gpu = null,
    bool? InUse = null,
    string? BootId = null,
    IReadOnlyDictionary<string, double>? Startup = null,
    IReadOnlyDictionary<string, string?>? Warnings = null);

/// <summary>A VM in the list for admins.</summary>
public record Vm
{
    public required string Hostname { get; init; }
    public required string Pool { get; init; }
    public required VmState State { get; init; }
    public required VmStatus Status { get; init; }
    public required VmPresence Presence { get; init; }
    public required VmHold? Hold { get; init; }
    public required GpuHealth? Gpu { get; init; }
    public required bool? InUse { get; init; }

    /// <summary>Whether the next person can get the VM, provided that it is polling.</summary>
    public required bool Free { get; init; }

    public required long Generation { get; init; }

    /// <summary>The id of its live assignment, if it has one.</summary>
    public required Guid? AssignmentId { get; init; }

    /// <summary>The e-mail address of the person who has the VM, if any.</summary>
    public required string? Email { get; init; }

    public required DateTime EnrolledAt { get; init; }

    /// <summary>The time of its last poll, accurate to <c>Liveness:Resolution</c>.</summary>
    public required DateTime PolledAt { get; init; }
}

/// <summary>One VM with all details.</summary>
public sealed record VmDetail : Vm
{
    [JsonConstructor]
    public VmDetail() { }

    /// <summary>Creates the details of a VM of the list.</summary>
    [SetsRequiredMembers]
    public VmDetail(Vm vm) : base(vm) =>
        (Warnings, Metadata, NotFreeBecause) = (ReadOnlyDictionary<string, string>.Empty, ReadOnlyDictionary<string, string>.Empty, []);

    /// <summary>The detail that the VM reported with its last failure.</summary>
    [JsonPropertyOrder(1)]
    public required string? StatusDetail { get; init; }

    /// <summary>Texts of the VM about what an admin should check, by name. They do not make the VM unavailable.</summary>
    [JsonPropertyOrder(1)]
    public required IReadOnlyDictionary<string, string> Warnings { get; init; }

    [JsonPropertyOrder(1)]
    public required string? BootId { get; init; }

    /// <summary>The time at which it began cleaning; null if it is not cleaning.</summary>
    [JsonPropertyOrder(1)]
    public required DateTime? CleaningSince { get; init; }

    [JsonPropertyOrder(1)]
    public required IReadOnlyDictionary<string, double>? Startup { get; init; }

    [JsonPropertyOrder(1)]
    public required IReadOnlyDictionary<string, string> Metadata { get; init; }

    /// <summary>Every reason why the next person cannot get the VM; empty if it is free.</summary>
    [JsonPropertyOrder(1)]
    public required IReadOnlyList<NotFreeReason> NotFreeBecause { get; init; }
}

/// <summary>One reason why a VM is not free.</summary>
/// <param name="Code">The stable code, for programs.</param>
/// <param name="Text">The explanation, for people.</param>
public sealed record NotFreeReason(string Code, string Text);

/// <summary>Filters of VMs; a VM must match all that are given.</summary>
public record VmQuery
{
    public string? Pool { get; init; }
    public VmState? State { get; init; }
    public VmStatus? Status { get; init; }
    public VmPresence? Presence { get; init; }
    public VmHold? Hold { get; init; }
    public GpuHealth? Gpu { get; init; }

    /// <summary>The state of the VM's assignment, or <c>none</c>.</summary>
    public VmOccupancy? Assignment { get; init; }

    /// <summary>Whether the VM can take the next person.</summary>
    public bool? Free { get; init; }

    /// <summary>A part of the host name, or of the e-mail address of the person who has the VM.</summary>
    public string? Text { get; init; }

    /// <summary>Whether the program that the workshop is about is running. VMs that did not report it match neither value.</summary>
    public bool? InUse { get; init; }
}

/// <summary>
/// Body of <c>POST /vms/hold</c>, <c>unhold</c>, <c>drain</c> and <c>release</c>: selects VMs, by at least one filter or by <c>all</c>.
/// </summary>
public sealed record VmSelection : VmQuery
{
    /// <summary>The host names of the VMs; at most 10,000.</summary>
    public IReadOnlyList<string>? Hostnames { get; init; }

    /// <summary>Selects every VM; required if no filter is given.</summary>
    public bool All { get; init; }

    /// <summary>Changes nothing and returns what would be changed.</summary>
    public bool DryRun { get; init; }
}

/// <summary>A VM that was changed, or would be changed by a dry run.</summary>
/// <param name="Email">The e-mail address of the person who had the VM, if any.</param>
public sealed record TouchedVm(string Hostname, string? Email);

/// <summary>The items that a change of many changed, or would change. Items that already were as requested are not among them.</summary>
/// <param name="Count">The number of all items.</param>
/// <param name="Items">The first 1,000 items.</param>
public sealed record Touched<T>(bool DryRun, int Count, IReadOnlyList<T> Items);

/// <summary>Body of <c>POST /vms/{hostname}/assign</c>: assigns a person to this VM, bypassing pool admission rules.</summary>
/// <param name="Email">The e-mail address of the person. A person in the queue of the VM's pool keeps their assignment.</param>
/// <param name="Command">The command line that Chrome Remote Desktop shows; only its code is used.</param>
public sealed record VmAssignmentRequest([property: Required] string? Email, string? Command = null);
