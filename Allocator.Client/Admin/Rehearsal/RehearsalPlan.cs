namespace Allocator.Client.Admin.Rehearsal;

/// <summary>What is to be played.</summary>
/// <param name="Pool">The pool that is made for it, and removed with all that is in it.</param>
/// <param name="People">Different people; a third of them asks again after giving back.</param>
/// <param name="Arrival">Over how long they come; zero: all in the same moment.</param>
/// <param name="Stay">How long each keeps the VM once they can connect.</param>
/// <param name="Timeout">When nothing has happened for so long, it is over.</param>
internal sealed record RehearsalPlan(Uri Url, string Pool, int Vms, int People, TimeSpan Arrival, TimeSpan Stay, TimeSpan Timeout)
{
    /// <summary>How often somebody asks, all in all.</summary>
    public int Visits => Enumerable.Range(0, People).Sum(person => AsksAgain(person) ? 2 : 1);

    /// <summary>VMs boot one after another, not in the same moment.</summary>
    public TimeSpan BootsWithin => TimeSpan.FromSeconds(Math.Max(1, Vms / 100.0));

    public static bool AsksAgain(int person) => person % 3 == 0;

    /// <summary>No VM but a rehearsal's own is called so: nobody else's pool has this name, or can have it meanwhile.</summary>
    public string Hostname(int vm) => $"{Pool}-{vm + 1}";

    /// <summary>At a domain that nobody can have (RFC 2606).</summary>
    public string Email(int person) => $"person-{person + 1}@{Pool}.invalid";
}
