using System.Collections.Concurrent;
using Allocator.Contracts;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>A response to a VM's poll that differed from the one before.</summary>
internal sealed record VmAnswer(TimeSpan At, VmAssignment Body);

/// <summary>A page shown to a person that differed from the one before.</summary>
internal sealed record PageView(TimeSpan At, Assignment Page);

/// <summary>The responses that one VM received, in order. That VM alone writes it; it is read when the VM has stopped.</summary>
internal sealed class VmLog(string hostname)
{
    public string Hostname { get; } = hostname;

    public List<VmAnswer> Answers { get; } = [];
}

/// <summary>One request for a VM and the pages that followed. That person alone writes it; it is read when they are done.</summary>
internal sealed class Visit(string email, string code, TimeSpan requestedAt)
{
    public string Email { get; } = email;

    /// <summary>The Chrome Remote Desktop code that the person sent with the request.</summary>
    public string Code { get; } = code;

    public TimeSpan RequestedAt { get; } = requestedAt;

    public Guid? Id { get; set; }

    public List<PageView> Views { get; } = [];

    /// <summary>When the person released the VM.</summary>
    public TimeSpan? LeftAt { get; set; }

    /// <summary>Why the visit failed; null if the allocator refused nothing.</summary>
    public string? Refusal { get; set; }
}

/// <summary>Records the responses that VMs and people receive, all on one clock.</summary>
internal sealed class Recorder(TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();
    private long _changedAt;
    private int _free, _assigned, _connected, _done;

    public ConcurrentQueue<Visit> Visits { get; } = new();

    public TimeSpan Now => time.GetElapsedTime(_start);

    /// <summary>The time since the last change.</summary>
    public TimeSpan Idle => Now - TimeSpan.FromTicks(Volatile.Read(ref _changedAt));

    /// <summary>The number of VMs that the allocator counts as free.</summary>
    public int Free
    {
        get => Volatile.Read(ref _free);
        set
        {
            if (Interlocked.Exchange(ref _free, value) != value)
            {
                MarkChanged();
            }
        }
    }

    /// <summary>The number of times that a VM received an assignment.</summary>
    public int Assigned => Volatile.Read(ref _assigned);

    /// <summary>The number of visits in which the person could connect.</summary>
    public int Connected => Volatile.Read(ref _connected);

    /// <summary>The number of completed visits.</summary>
    public int Done => Volatile.Read(ref _done);

    public void RecordAnswer(VmLog vm, VmAssignment answer)
    {
        if (vm.Answers is [.., { Body: var last }] && last == answer)
        {
            return;
        }
        vm.Answers.Add(new VmAnswer(Now, answer));
        if (answer.State == VmState.Assigned)
        {
            Interlocked.Increment(ref _assigned);
        }
        MarkChanged();
    }

    public void RecordView(Visit visit, Assignment page)
    {
        if (visit.Views is [.., { Page: var last }] && last == page)
        {
            return;
        }
        if (page.State == AssignmentState.Connected && visit.Views.All(view => view.Page.State != AssignmentState.Connected))
        {
            Interlocked.Increment(ref _connected);
        }
        visit.Views.Add(new PageView(Now, page));
        MarkChanged();
    }

    public void RecordDone()
    {
        Interlocked.Increment(ref _done);
        MarkChanged();
    }

    private void MarkChanged() => Volatile.Write(ref _changedAt, Now.Ticks);
}
