using System.Collections.Concurrent;
using Allocator.Contracts;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>An answer that a VM got, where it was another than the one before.</summary>
internal sealed record VmAnswer(TimeSpan At, VmAssignment Answer);

/// <summary>A page that a person saw, where it was another than the one before.</summary>
internal sealed record PageView(TimeSpan At, Assignment Page);

/// <summary>What one VM was told, in order. Written by that VM alone, read when it has stopped.</summary>
internal sealed class VmLog(string hostname)
{
    public string Hostname { get; } = hostname;

    public List<VmAnswer> Told { get; } = [];
}

/// <summary>One request for a VM and what the person saw of it. Written by that person alone, read when they are done.</summary>
internal sealed class Visit(string email, string code, TimeSpan askedAt)
{
    public string Email { get; } = email;

    /// <summary>What they gave Chrome Remote Desktop's host to start with.</summary>
    public string Code { get; } = code;

    public TimeSpan AskedAt { get; } = askedAt;

    public Guid? Id { get; set; }

    public List<PageView> Seen { get; } = [];

    /// <summary>When they said that they give the VM back.</summary>
    public TimeSpan? LeftAt { get; set; }

    /// <summary>Why they got nothing, where the allocator said so.</summary>
    public string? Refusal { get; set; }
}

/// <summary>Sees what happens: on the wire, from both sides, on one clock.</summary>
internal sealed class Recorder(TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();
    private long _changedAt;
    private int _free, _told, _connected, _done;

    public ConcurrentQueue<Visit> Visits { get; } = new();

    public TimeSpan Now => time.GetElapsedTime(_start);

    /// <summary>For how long nothing has happened.</summary>
    public TimeSpan Idle => Now - TimeSpan.FromTicks(Volatile.Read(ref _changedAt));

    /// <summary>VMs that the allocator counts as free.</summary>
    public int Free
    {
        get => Volatile.Read(ref _free);
        set
        {
            if (Interlocked.Exchange(ref _free, value) != value)
            {
                Changed();
            }
        }
    }

    /// <summary>How often a VM was told of a person.</summary>
    public int Told => Volatile.Read(ref _told);

    /// <summary>How often a person could connect.</summary>
    public int Connected => Volatile.Read(ref _connected);

    /// <summary>Visits that are over.</summary>
    public int Done => Volatile.Read(ref _done);

    public void Tell(VmLog vm, VmAssignment answer)
    {
        if (vm.Told is [.., { Answer: var last }] && last == answer)
        {
            return;
        }
        vm.Told.Add(new VmAnswer(Now, answer));
        if (answer.State == VmState.Assigned)
        {
            Interlocked.Increment(ref _told);
        }
        Changed();
    }

    public void See(Visit visit, Assignment page)
    {
        if (visit.Seen is [.., { Page: var last }] && last == page)
        {
            return;
        }
        if (page.State == AssignmentState.Connected && visit.Seen.All(view => view.Page.State != AssignmentState.Connected))
        {
            Interlocked.Increment(ref _connected);
        }
        visit.Seen.Add(new PageView(Now, page));
        Changed();
    }

    public void End()
    {
        Interlocked.Increment(ref _done);
        Changed();
    }

    private void Changed() => Volatile.Write(ref _changedAt, Now.Ticks);
}
