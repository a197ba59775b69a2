using Allocator.Contracts;

namespace Allocator.Api.Vms;

/// <summary>Says in words and codes what the column <c>is_free</c> says in one bit.</summary>
internal static class NotFree
{
    public static IReadOnlyList<NotFreeReason> Reasons(Vm vm) =>
    [
        .. Reason(vm.AssignmentId is not null, "assigned", $"It is {vm.Email}'s."),
        .. Reason(vm.State == VmState.Cleaning, "cleaning", "It has not reported yet that nothing of the last person is left."),
        .. Reason(vm.Hold == VmHold.Held, "held", "An admin holds it."),
        .. Reason(vm.Hold == VmHold.Draining, "draining", "It takes no new person and will be retired."),
        .. Reason(vm.Hold == VmHold.Retired, "retired", "It is out for good."),
        .. Reason(vm.Status == VmStatus.Initializing, "initializing", "It has not reported yet that it is running."),
        .. Reason(vm.Status == VmStatus.Error, "error", "It reported an error; it comes back when it reports that it is running."),
        .. Reason(vm.Status == VmStatus.Rebooting, "rebooting", "It reboots."),
        .. Reason(vm.Gpu == GpuHealth.Unhealthy, "gpu_unhealthy", "Its GPU does not answer."),
        .. Reason(vm.Presence == VmPresence.Lost, "lost", $"Its last poll was at {vm.PolledAt:O}."),
    ];

    private static IEnumerable<NotFreeReason> Reason(bool applies, string code, string text) =>
        applies ? [new NotFreeReason(code, text)] : [];
}
