using Allocator.Contracts;

namespace Allocator.Polling;

/// <summary>
/// What a VM does about what the allocator says. Each call runs beside the polls, and is cancelled when what it is for is
/// over or the client stops; its result is reported until the allocator has heard it. An exception is a failure.
/// </summary>
public interface IAssignmentHandler
{
    /// <summary>
    /// The VM is a person's: prepares it for them. Called once per assignment and boot; again after a reboot, which
    /// ended what was started, but not after a restart of the program alone.
    /// </summary>
    /// <param name="vm">The allocator's answer as a whole.</param>
    /// <param name="person">Whose the VM is.</param>
    /// <returns><see cref="HandlerResult.Connected"/>, or <see cref="HandlerResult.Failed"/>: then the person gets another VM.</returns>
    Task<HandlerResult> AssignedAsync(VmAssignment vm, AssignedPerson person, CancellationToken cancel);

    /// <summary>
    /// The person is gone: removes what they left. Called with each start of the program until it has succeeded; only
    /// then can somebody else get the VM.
    /// </summary>
    /// <returns><see cref="HandlerResult.Clean"/> or <see cref="HandlerResult.Failed"/>.</returns>
    Task<HandlerResult> ReleasedAsync(VmAssignment vm, CancellationToken cancel);

    /// <summary>
    /// No poll has been answered for <see cref="AllocatorClientOptions.LostContactAfter"/>. Called once per loss;
    /// cancelled when contact is found again or the client stops. By default nothing is done, for nobody loses their VM by it.
    /// </summary>
    /// <param name="since">The last answer, or else the client's start.</param>
    Task ContactLostAsync(DateTimeOffset since, CancellationToken cancel) => Task.CompletedTask;

    /// <summary>A poll has been answered after a loss of contact. By default nothing is done.</summary>
    /// <param name="since">From when on there was no answer.</param>
    Task ContactFoundAsync(DateTimeOffset since, CancellationToken cancel) => Task.CompletedTask;
}

/// <summary>What came of it; made by its three static members.</summary>
public sealed record HandlerResult
{
    private HandlerResult(Outcome outcome) => Outcome = outcome;

    /// <summary>How it went, as the allocator is told.</summary>
    public Outcome Outcome { get; }

    /// <summary>Where the person finds the desktop.</summary>
    public string? ConnectUrl { get; private init; }

    /// <summary>Why it failed.</summary>
    public string? Detail { get; private init; }

    /// <summary>Nothing of the last person is left.</summary>
    public static HandlerResult Clean { get; } = new(Outcome.Clean);

    /// <summary>The person can connect.</summary>
    /// <param name="connectUrl">Where they find the desktop, if there is such an address: absolute, http or https, at most 2,048 characters.</param>
    public static HandlerResult Connected(string? connectUrl = null) => new(Outcome.Connected) { ConnectUrl = connectUrl };

    /// <summary>It did not work.</summary>
    /// <param name="detail">What helps the admin, at most 4,096 characters. No secrets.</param>
    public static HandlerResult Failed(string? detail) => new(Outcome.Failed) { Detail = detail };
}
