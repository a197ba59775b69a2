using System.Collections.Concurrent;
using Allocator.Contracts;
using Allocator.Polling;

namespace Allocator.Tests.Client.Polling;

/// <summary>A handler that records its calls and does what the test specifies.</summary>
internal sealed class RecordingHandler : IAssignmentHandler
{
    public ConcurrentQueue<string> Calls { get; } = new();

    public Func<Task<HandlerResult>> OnAssigned { get; set; } = () => Task.FromResult(HandlerResult.Connected());
    public Func<Task<HandlerResult>> OnReleased { get; set; } = () => Task.FromResult(HandlerResult.Clean);
    public Func<CancellationToken, Task> OnContactLost { get; set; } = _ => Task.CompletedTask;

    public Task<HandlerResult> AssignedAsync(VmAssignment vm, AssignedPerson person, CancellationToken cancel)
    {
        Calls.Enqueue($"assigned to {person.Email}");
        return OnAssigned();
    }

    public Task<HandlerResult> ReleasedAsync(VmAssignment vm, CancellationToken cancel)
    {
        Calls.Enqueue("released");
        return OnReleased();
    }

    public async Task ContactLostAsync(DateTimeOffset since, CancellationToken cancel)
    {
        Calls.Enqueue($"lost since {since:T}");
        await OnContactLost(cancel);
    }

    public Task ContactFoundAsync(DateTimeOffset since, CancellationToken cancel)
    {
        Calls.Enqueue($"found after {since:T}");
        return Task.CompletedTask;
    }
}
