namespace Allocator.Api.Fleet;

/// <summary>The state that an unchanged poll needs of its VM, in one machine word, so that it is read and replaced as a whole.</summary>
internal readonly record struct PollState(long Word)
{
    private const int Flags = 3;
    private const long Free = 1, Unready = 2, Receipt = 4;

    public PollState(long generation, bool isFree, bool isUnready, bool awaitsReceipt)
        : this((generation << Flags) | (isFree ? Free : 0) | (isUnready ? Unready : 0) | (awaitsReceipt ? Receipt : 0))
    {
    }

    /// <summary>Gets the generation, which the VM's ETag names.</summary>
    public long Generation => Word >> Flags;

    public bool IsFree => (Word & Free) != 0;

    /// <summary>Gets whether the VM is unassigned and becomes free when it reports that it is clean or running.</summary>
    public bool IsUnready => (Word & Unready) != 0;

    /// <summary>Gets whether the VM is assigned and has not acknowledged that yet.</summary>
    public bool AwaitsReceipt => (Word & Receipt) != 0;
}
