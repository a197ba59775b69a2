using System.Globalization;
using Allocator.Contracts;

namespace Allocator.Api.Vms;

/// <summary>Says in words and codes what the column <c>is_free</c> says in one bit.</summary>
internal static class NotFree
{
    /// <summary>
    /// What a pool's VMs are counted by: the code, the condition on a row of <c>vms</c>, and the words. They
    /// cover everything that <c>is_free</c> looks at.
    /// </summary>
    public static readonly IReadOnlyList<(string Code, string Condition, string Text)> Counted =
    [
        ("assigned", "assignment_id is not null", "have a person"),
        ("cleaning", "state = 'cleaning'", "have not reported yet that nothing of the last person is left"),
        ("held", "hold = 'held'", "are held by an admin"),
        ("draining", "hold = 'draining'", "take no new person and will be retired"),
        ("retired", "hold = 'retired'", "are out for good"),
        ("initializing", "status = 'initializing'", "have not reported yet that they are running"),
        ("error", "status = 'error'", "reported an error"),
        ("rebooting", "status = 'rebooting'", "reboot"),
        ("gpu_unhealthy", "gpu = 'unhealthy'", "have a GPU that does not answer"),
        ("lost", "lost_at is not null", "do not poll"),
    ];

    public static IReadOnlyList<NotFreeReason> Reasons(VmDetail vm) =>
    [
        .. Reason(vm.AssignmentId is not null, "assigned", $"It is {vm.Email}'s."),
        .. Reason(vm.State == VmState.Cleaning, "cleaning",
            $"It has not reported yet that nothing of the last person is left; it was told at {Time(vm.CleaningSince)}."),
        .. Reason(vm.Hold == VmHold.Held, "held", "An admin holds it; POST /vms/{hostname}/unhold puts it back."),
        .. Reason(vm.Hold == VmHold.Draining, "draining", "It takes no new person and will be retired when it is free and clean."),
        .. Reason(vm.Hold == VmHold.Retired, "retired", "It is out for good; POST /vms/{hostname}/unhold puts it back all the same."),
        .. Reason(vm.Status == VmStatus.Initializing, "initializing", "It has not reported yet that it is running."),
        .. Reason(vm.Status == VmStatus.Error, "error",
            $"It reported an error{(vm.StatusDetail is null ? "" : $" ({vm.StatusDetail})")}; it comes back when it reports that it is running."),
        .. Reason(vm.Status == VmStatus.Rebooting, "rebooting", "It reboots; it comes back when it reports that it is running."),
        .. Reason(vm.Gpu == GpuHealth.Unhealthy, "gpu_unhealthy",
            $"Its GPU does not answer{(vm.Warnings.TryGetValue("gpu", out var words) ? $" ({words})" : "")}; it comes back when it reports that it does."),
        .. Reason(vm.Presence == VmPresence.Lost, "lost", $"Its last poll was at {Time(vm.PolledAt)}; it comes back with the next."),
    ];

    private static IEnumerable<NotFreeReason> Reason(bool applies, string code, string text) =>
        applies ? [new NotFreeReason(code, text)] : [];

    private static string Time(DateTime? time) => time?.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture) ?? "an unknown time";
}
