using System.Collections.ObjectModel;
using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace Allocator.Contracts;

/// <summary>Body of <c>POST /vms</c>: a machine joins the fleet.</summary>
/// <param name="Hostname">RFC 1123 host name, at most 253 characters; the key of the VM everywhere.</param>
/// <param name="MachineId">What tells this machine from another under the same name, such as <c>/etc/machine-id</c>; 1–128
/// of <c>A–Z a–z 0–9 . _ : -</c>.</param>
/// <param name="Pool">The pool it joins; <c>default</c> if absent.</param>
/// <param name="Metadata">Up to 32 facts for the admin (region, instance type, …): keys up to 64, values up to 256 characters.</param>
public sealed record EnrolmentRequest(
    [property: Required] string? Hostname,
    [property: Required] string? MachineId,
    string? Pool = null,
    IReadOnlyDictionary<string, string>? Metadata = null);

/// <summary>Answer of <c>POST /vms</c>.</summary>
/// <param name="Hostname">The host name as it is stored: in lower case.</param>
/// <param name="Pool">The pool the VM is in.</param>
/// <param name="Token">The VM's own bearer token; shown this once, only its hash is kept.</param>
public sealed record Enrolment(string Hostname, string Pool, string Token);

/// <summary>Body of <c>PUT /vms/{hostname}/report</c>: what changed on the VM. What is absent stays as it was.</summary>
/// <param name="Status">The VM's own word on how it is.</param>
/// <param name="Gpu">Health of its GPU.</param>
/// <param name="InUse">Whether the program the workshop is about runs.</param>
/// <param name="BootId">Changes with each boot, such as <c>/proc/sys/kernel/random/boot_id</c>.</param>
/// <param name="Startup">How long the steps of its start took, in seconds, by name; up to 32.</param>
/// <param name="Warnings">What an admin should look at, in words, by name, such as <c>disk</c>; up to 16 of at most 500
/// characters. All of it each time: what is null or not named is well.</param>
public sealed record VmReport(
    VmStatus? Status = null,
    GpuHealth? Gpu = null,
    bool? InUse = null,
    string? BootId = null,
    IReadOnlyDictionary<string, double>? Startup = null,
    IReadOnlyDictionary<string, string?>? Warnings = null);

/// <summary>A VM as the admin's list shows it.</summary>
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

    /// <summary>Whether the next person can get it, provided that it polls.</summary>
    public required bool Free { get; init; }

    public required long Generation { get; init; }

    /// <summary>The live assignment, if it has one.</summary>
    public required Guid? AssignmentId { get; init; }

    /// <summary>Whose it is, if anybody's.</summary>
    public required string? Email { get; init; }

    public required DateTime EnrolledAt { get; init; }

    /// <summary>Its last poll, to within <c>Liveness:Resolution</c>.</summary>
    public required DateTime PolledAt { get; init; }
}

/// <summary>One VM with everything that is known of it.</summary>
public sealed record VmDetail : Vm
{
    [JsonConstructor]
    public VmDetail() { }

    /// <summary>The detail of a VM of the list.</summary>
    [SetsRequiredMembers]
    public VmDetail(Vm vm) : base(vm) =>
        (Warnings, Metadata, NotFreeBecause) = (ReadOnlyDictionary<string, string>.Empty, ReadOnlyDictionary<string, string>.Empty, []);

    /// <summary>What the VM said with its last failure.</summary>
    [JsonPropertyOrder(1)]
    public required string? StatusDetail { get; init; }

    /// <summary>What the VM says an admin should look at, in words, by name. None of it keeps anybody from getting it.</summary>
    [JsonPropertyOrder(1)]
    public required IReadOnlyDictionary<string, string> Warnings { get; init; }

    [JsonPropertyOrder(1)]
    public required string? BootId { get; init; }

    /// <summary>While it cleans: since when.</summary>
    [JsonPropertyOrder(1)]
    public required DateTime? CleaningSince { get; init; }

    [JsonPropertyOrder(1)]
    public required IReadOnlyDictionary<string, double>? Startup { get; init; }

    [JsonPropertyOrder(1)]
    public required IReadOnlyDictionary<string, string> Metadata { get; init; }

    /// <summary>Every reason why the next person cannot get it; empty when it is free.</summary>
    [JsonPropertyOrder(1)]
    public required IReadOnlyList<NotFreeReason> NotFreeBecause { get; init; }
}

/// <summary>One reason why a VM is not free.</summary>
/// <param name="Code">Stable, for programs.</param>
/// <param name="Text">For people.</param>
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

/// <summary>A VM that was changed, or would be.</summary>
/// <param name="Email">Whose it was, if anybody's.</param>
public sealed record TouchedVm(string Hostname, string? Email);

/// <summary>What a change of many changed, or would have changed: only what was not so already.</summary>
/// <param name="Count">How many in all.</param>
/// <param name="Items">Which; the first 1,000 of them.</param>
public sealed record Touched<T>(bool DryRun, int Count, IReadOnlyList<T> Items);

/// <summary>Body of <c>POST /vms/{hostname}/assign</c>: puts a person on this very VM, whatever the pool's door says.</summary>
/// <param name="Email">Who. If they wait in the VM's pool, it is their assignment that gets the VM.</param>
/// <param name="Command">The line Chrome Remote Desktop shows; only the code is taken out of it.</param>
public sealed record VmAssignmentRequest([property: Required] string? Email, string? Command = null);
