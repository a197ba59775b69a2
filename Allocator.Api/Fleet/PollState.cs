namespace Allocator.Api.Fleet;

/// <summary>What a steady poll has to know of its VM, in one word, so that it is read and replaced as a whole.</summary>
internal readonly record struct PollState(long Word)
{
    private const int Flags = 3;
    private const long Free = 1, Unready = 2, Receipt = 4;

    public PollState(long generation, bool isFree, bool isUnready, bool awaitsReceipt)
        : this((generation << Flags) | (isFree ? Free : 0) | (isUnready ? Unready : 0) | (awaitsReceipt ? Receipt : 0))
    {
    }

    /// <summary>What the VM's ETag names.</summary>
    public long Generation => Word >> Flags;

    public bool IsFree => (Word & Free) != 0;

    /// <summary>Nobody's, and free as soon as it says that it is clean or runs.</summary>
    public bool IsUnready => (Word & Unready) != 0;

    /// <summary>Given to somebody, and the VM has not said yet that it knows.</summary>
    public bool AwaitsReceipt => (Word & Receipt) != 0;
}
