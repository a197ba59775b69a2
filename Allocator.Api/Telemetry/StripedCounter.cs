using System.Runtime.InteropServices;

namespace Allocator.Api.Telemetry;

/// <summary>
/// Counts events that happen many thousand times a second on all processors. Each processor has its own number on its own
/// cache lines; reading adds them up.
/// </summary>
internal sealed class StripedCounter
{
    private readonly Stripe[] _stripes = new Stripe[Environment.ProcessorCount];

    public long Value
    {
        get
        {
            long sum = 0;
            for (var i = 0; i < _stripes.Length; i++)
            {
                sum += Volatile.Read(ref _stripes[i].Count);
            }
            return sum;
        }
    }

    public void Increment() => Interlocked.Increment(ref _stripes[(uint)Thread.GetCurrentProcessorId() % (uint)_stripes.Length].Count);

    /// <summary>Takes two cache lines of 64 bytes, because processors fetch them in pairs.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 128)]
    private struct Stripe
    {
        [FieldOffset(0)]
        public long Count;
    }
}
