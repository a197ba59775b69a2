namespace Allocator.Client.Admin.Rehearsal;

/// <summary>The size and the timing of a rehearsal.</summary>
/// <param name="Pool">The pool that is created for the rehearsal and deleted after it.</param>
/// <param name="People">The number of different people; every third one makes a second request.</param>
/// <param name="Arrival">People arrive at random times within this duration; zero means all at the same moment.</param>
/// <param name="Stay">How long each person keeps the VM once connected.</param>
/// <param name="Timeout">The rehearsal ends when nothing has changed for this long.</param>
internal sealed record RehearsalPlan(Uri Url, string Pool, int Vms, int People, TimeSpan Arrival, TimeSpan Stay, TimeSpan Timeout)
{
    /// <summary>The number of requests for a VM that all people make together.</summary>
    public int Visits => Enumerable.Range(0, People).Sum(person => ReturnsLater(person) ? 2 : 1);

    /// <summary>VMs start at random times within this duration, because real VMs do not boot at the same moment.</summary>
    public TimeSpan BootsWithin => TimeSpan.FromSeconds(Math.Max(1, Vms / 100.0));

    public static bool ReturnsLater(int person) => person % 3 == 0;

    /// <summary>Returns a host name that starts with the pool's unique name, so that no real VM has it.</summary>
    public string Hostname(int vm) => $"{Pool}-{vm + 1}";

    /// <summary>Returns an address in a domain that cannot exist (RFC 2606).</summary>
    public string Email(int person) => $"person-{person + 1}@{Pool}.invalid";
}
