using System.Globalization;
using Allocator.Contracts;

namespace Allocator.Api.Vms;

/// <summary>One reason why a VM is not free.</summary>
/// <param name="Code">The code that the SQL function <c>vm_unavailable_reasons</c> returns.</param>
/// <param name="Plural">The words that follow "3 VMs" in the counts of a pool.</param>
/// <param name="Describe">Explains the reason for one VM, and what ends it.</param>
internal sealed record UnavailableReason(string Code, string Plural, Func<VmDetail, string> Describe);

/// <summary>Explains why a VM is not free. The conditions are only in the SQL function <c>vm_unavailable_reasons</c>.</summary>
internal static class UnavailableReasons
{
    public static readonly IReadOnlyList<UnavailableReason> All =
    [
        new("assigned", "have a person", vm => $"It is assigned to {vm.Email}."),
        new("cleaning", "have not reported yet that they are clean",
            vm => $"It has not reported yet that it is clean; cleaning began at {Time(vm.CleaningSince)}."),
        new("held", "are held by an admin", _ => "An admin holds it; POST /vms/{hostname}/unhold puts it back."),
        new("draining", "take no new person and will be retired", _ => "It takes no new person and will be retired when it is free and clean."),
        new("retired", "are retired", _ => "It is retired; POST /vms/{hostname}/unhold puts it back all the same."),
        new("initializing", "have not reported yet that they are running", _ => "It has not reported yet that it is running."),
        new("error", "reported an error",
            vm => $"It reported an error{Parenthesis(vm.StatusDetail)}; it comes back when it reports that it is running."),
        new("rebooting", "reboot", _ => "It reboots; it comes back when it reports that it is running."),
        new("gpu_unhealthy", "have a GPU that does not answer",
            vm => $"Its GPU does not answer{Parenthesis(vm.Warnings.GetValueOrDefault("gpu"))}; it comes back when it reports that it does."),
        new("lost", "do not poll", vm => $"Its last poll was at {Time(vm.PolledAt)}; it comes back with the next."),
    ];

    private const string Unknown = "It is not free, for a reason that this replica does not know yet.";
    private static readonly Dictionary<string, UnavailableReason> ByCode = All.ToDictionary(reason => reason.Code);

    /// <summary>
    /// Explains the reasons that the database found for this VM. While replicas are updated one by one, a newer schema may
    /// return a code that this replica does not know.
    /// </summary>
    public static IReadOnlyList<NotFreeReason> Explain(IEnumerable<string> codes, VmDetail vm) =>
        [.. codes.Select(code => new NotFreeReason(code, ByCode.TryGetValue(code, out var reason) ? reason.Describe(vm) : Unknown))];

    private static string Parenthesis(string? text) => text is null ? "" : $" ({text})";

    private static string Time(DateTime? time) => time?.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture) ?? "an unknown time";
}
