using Allocator.Contracts;

namespace Allocator.Polling;

/// <summary>
/// Acts on the allocator's answers for a VM. Each call runs while polling continues, and is cancelled when its assignment ends
/// or the client stops. Its result is reported until the allocator has acknowledged it. An exception is a failure.
/// </summary>
public interface IAssignmentHandler
{
    /// <summary>
    /// Prepares the VM for the person it is assigned to. Called once per assignment and boot: again after a reboot, which
    /// ended what was started, but not after a restart of the program alone.
    /// </summary>
    /// <param name="vm">The complete answer of the allocator.</param>
    /// <param name="person">The person that the VM is assigned to.</param>
    /// <returns><see cref="HandlerResult.Connected"/>, or <see cref="HandlerResult.Failed"/>: then the person gets another VM.</returns>
    Task<HandlerResult> AssignedAsync(VmAssignment vm, AssignedPerson person, CancellationToken cancel);

    /// <summary>
    /// Removes what the last person left. Called at each start of the program until it has succeeded; only then can another
    /// person get the VM.
    /// </summary>
    /// <returns><see cref="HandlerResult.Clean"/> or <see cref="HandlerResult.Failed"/>.</returns>
    Task<HandlerResult> ReleasedAsync(VmAssignment vm, CancellationToken cancel);

    /// <summary>
    /// Called once when no poll has been answered for <see cref="AllocatorClientOptions.LostContactAfter"/>; cancelled when
    /// the allocator answers again or the client stops. Does nothing by default, since the person keeps the VM.
    /// </summary>
    /// <param name="since">The time of the last answer, or of the client's start if there was none.</param>
    Task ContactLostAsync(DateTimeOffset since, CancellationToken cancel) => Task.CompletedTask;

    /// <summary>Called when a poll has been answered after a loss of contact. Does nothing by default.</summary>
    /// <param name="since">The time of the last answer before the loss.</param>
    Task ContactFoundAsync(DateTimeOffset since, CancellationToken cancel) => Task.CompletedTask;
}

/// <summary>The result of a handler; created by its three static members.</summary>
public sealed record HandlerResult
{
    private HandlerResult(Outcome outcome) => Outcome = outcome;

    /// <summary>Gets the outcome that is reported to the allocator.</summary>
    public Outcome Outcome { get; }

    /// <summary>Gets the address of the person's desktop.</summary>
    public string? ConnectUrl { get; private init; }

    /// <summary>Gets why the handler failed.</summary>
    public string? Detail { get; private init; }

    /// <summary>Gets the result of a VM that holds nothing of its last person.</summary>
    public static HandlerResult Clean { get; } = new(Outcome.Clean);

    /// <summary>Creates the result of a VM that its person can connect to.</summary>
    /// <param name="connectUrl">The address of the desktop, if it has one: absolute, http or https, at most 2,048 characters.</param>
    public static HandlerResult Connected(string? connectUrl = null) => new(Outcome.Connected) { ConnectUrl = connectUrl };

    /// <summary>Creates the result of a failure.</summary>
    /// <param name="detail">A description for admins, at most 4,096 characters, without secrets.</param>
    public static HandlerResult Failed(string? detail) => new(Outcome.Failed) { Detail = detail };
}
