using System.Globalization;
using Allocator.Contracts;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>What came of one thing that has to be so.</summary>
/// <param name="Check">Stable, for programs.</param>
/// <param name="Text">For people.</param>
/// <param name="Examples">Where it was not so; the first few.</param>
internal sealed record RehearsalCheck(string Check, bool Passed, string Text, IReadOnlyList<string> Examples);

/// <summary>
/// Holds what the VMs were told against what the people were told. The allocator's own account of it, its events, excuses
/// nothing but that a person was moved from one VM to another.
/// </summary>
internal sealed class Verifier(IReadOnlyList<VmLog> vms, IReadOnlyList<Visit> visits, Func<Guid, Task<IReadOnlyList<EventRecord>>> findEvents)
{
    private const int MaxExamples = 5;

    /// <summary>By so much later somebody has to have come to be no rival for the same place: clocks and pages are not that exact.</summary>
    private static readonly TimeSpan SameMoment = TimeSpan.FromSeconds(2);

    private readonly Dictionary<Guid, Visit> _visits = visits.Where(visit => visit.Id is not null).DistinctBy(visit => visit.Id).ToDictionary(visit => visit.Id!.Value);

    /// <summary>Who was told of each assignment, in the order in which they were.</summary>
    private readonly ILookup<Guid, (VmLog Vm, VmAnswer VmAnswer)> _told = (
        from vm in vms
        from answer in vm.Told
        where answer.Answer.Assignment is not null
        orderby answer.At
        select (Vm: vm, VmAnswer: answer)).ToLookup(one => one.VmAnswer.Answer.Assignment!.Id);

    public async Task<IReadOnlyList<RehearsalCheck>> VerifyAsync() =>
    [
        Served(), await OneVmEachAsync(), OnePersonEach(), NothingLost(), AllConnected(), NothingOfOthers(), InOrder(),
    ];

    /// <summary>
    /// From the click to the moment in which a VM was told, by whether one was free at the click. Each time that a VM
    /// becomes free is good for one request: if it is the n-th, there have to have been n of them before.
    /// </summary>
    public ILookup<bool, double> Pickups()
    {
        var becameFree = (
            from vm in vms
            from pair in vm.Told.Prepend(null).Zip(vm.Told)
            where pair.Second.Answer.State == VmState.Free && pair.First?.Answer.State != VmState.Free
            orderby pair.Second.At
            select pair.Second.At).ToArray();
        return (
            from request in visits.OrderBy(visit => visit.AskedAt).Select((visit, n) => (Visit: visit, WasFree: n < becameFree.Length && becameFree[n] <= visit.AskedAt))
            where request.Visit.Id is not null && _told.Contains(request.Visit.Id.Value)
            select (request.WasFree, Seconds: (_told[request.Visit.Id!.Value].First().VmAnswer.At - request.Visit.AskedAt).TotalSeconds))
            .ToLookup(pickup => pickup.WasFree, pickup => pickup.Seconds);
    }

    /// <summary>From the click to the page that says where to connect.</summary>
    public IEnumerable<double> Connections() =>
        from visit in visits
        let connected = visit.Seen.FirstOrDefault(view => view.Page.State == AssignmentState.Connected)
        where connected is not null
        select (connected.At - visit.AskedAt).TotalSeconds;

    private RehearsalCheck Served()
    {
        var people = visits.Select(visit => visit.Email).Distinct().Count();
        return Make("everybodyServed", "person had no VM", "people had no VM",
            $"Everybody had a VM: {Count(people, "person", "people")}, who asked {Count(visits.Count, "time", "times")}.",
            visits.Where(visit => !Has(visit)).Select(visit => $"{visit.Email} had none: {visit.Refusal ?? "still in the queue at the end"}"));
    }

    /// <summary>Each assignment at one VM, as the VMs know it and as its person does.</summary>
    private async Task<RehearsalCheck> OneVmEachAsync()
    {
        var wrong = new List<string>();
        var moved = 0;
        foreach (var (id, visit) in _visits)
        {
            var hostnames = _told[id].Select(one => one.Vm.Hostname).Concat(Hostnames(visit)).Distinct().ToList();
            if (hostnames.Count < 2)
            {
                continue;
            }
            if (wrong.Count < MaxExamples && await WasMovedAsync(id, hostnames))
            {
                moved++;
            }
            else
            {
                wrong.Add($"{visit.Email} was given {string.Join(" and ", hostnames)}");
            }
        }
        return Make("oneVmEach", "person had two VMs at once", "people had two VMs at once",
            "Nobody had two VMs." + (moved == 0 ? "" : $" {Count(moved, "person was", "people were")} moved to another one, as the events say."), wrong);
    }

    /// <summary>
    /// From the VM's side: between two people it is told to clean. From the people's side: who has a VM has it until they
    /// give it back, and nobody else sees it on their page before.
    /// </summary>
    private RehearsalCheck OnePersonEach()
    {
        var told =
            from vm in vms
            from pair in vm.Told.Zip(vm.Told.Skip(1))
            where pair.First.Answer.Assignment is { } one && pair.Second.Answer.Assignment is { } other && one.Id != other.Id
            select (vm.Hostname, One: pair.First.Answer.Assignment!.Email, Other: pair.Second.Answer.Assignment!.Email);
        var stays =
            from visit in _visits.Values
            from hostname in Hostnames(visit)
            let views = visit.Seen.Where(view => view.Page.Hostname == hostname).ToList()
            let next = visit.Seen.FirstOrDefault(view => view.At > views[^1].At)
            select (hostname, visit.Email, From: views[0].At, Until: Min(next is null ? visit.LeftAt : views[^1].At, visit.LeftAt) ?? TimeSpan.MaxValue);
        var seen =
            from stay in stays.GroupBy(stay => stay.hostname)
            let inOrder = stay.OrderBy(one => one.From).ToList()
            from pair in inOrder.Zip(inOrder.Skip(1))
            where pair.Second.From < pair.First.Until
            select (Hostname: stay.Key, One: pair.First.Email, Other: pair.Second.Email);
        return Make("onePersonEach", "VM had two people at once", "VMs had two people at once", "No VM had two people.",
            told.Concat(seen).DistinctBy(one => one.Hostname).Select(one => $"{one.Hostname} had {one.One} and {one.Other}"));

        static TimeSpan? Min(TimeSpan? a, TimeSpan? b) => a is null ? b : b is null || a < b ? a : b;
    }

    private RehearsalCheck NothingLost() => Make("nothingLost", "assignment never reached its VM", "assignments never reached their VMs",
        "No assignment was lost: each that a person was told of reached its VM.",
        from visit in _visits.Values
        from hostname in Lost(visit)
        select $"{visit.Email} was told to have {hostname}, which was never told");

    /// <summary>Of those only whose VM knew: where it did not, that is what was wrong.</summary>
    private RehearsalCheck AllConnected() => Make("everybodyConnected", "person could not connect", "people could not connect",
        "Everybody was shown where to connect.",
        from visit in visits
        where Has(visit) && !Lost(visit).Any() && visit.Seen.All(view => view.Page.State != AssignmentState.Connected)
        select $"{visit.Email} has {visit.Seen[^1].Page.Hostname}, but was never shown where to connect{(visit.Refusal is { } why ? $": {why}" : "")}");

    private RehearsalCheck NothingOfOthers()
    {
        var pages =
            from visit in _visits.Values
            let foreign = visit.Seen.FirstOrDefault(view => IsForeign(visit, view.Page))
            where foreign is not null
            select $"{visit.Email} saw on their page: {foreign.Page.Email}, {foreign.Page.Hostname}, {foreign.Page.ConnectUrl}";
        var addresses = visits.Select(visit => visit.Email).ToHashSet();
        var vmsTold =
            from one in _told.SelectMany(one => one)
            let person = one.VmAnswer.Answer.Assignment!
            where _visits.TryGetValue(person.Id, out var visit) ? person.Email != visit.Email || person.Command?.Code != visit.Code : !addresses.Contains(person.Email)
            select $"{one.Vm.Hostname} was told of {person.Email} what is not theirs";
        return Make("nothingOfOthers", "time somebody was shown what is another's", "times somebody was shown what is another's",
            "Nobody saw what is another's.", pages.Concat(vmsTold));
    }

    /// <summary>Nobody who came later was served before; by the allocator's own times, which are the only ones the queue goes by.</summary>
    private RehearsalCheck InOrder()
    {
        var queue = (
            from visit in _visits.Values
            let assigned = visit.Seen.Select(view => view.Page.AssignedAt).FirstOrDefault(at => at is not null)
            where assigned is not null
            orderby visit.Seen[0].Page.RequestedAt
            select (visit.Email, Asked: visit.Seen[0].Page.RequestedAt, Assigned: assigned.Value)).ToList();
        // From the end: the earliest that anybody was served who came after.
        var wrong = new List<string>();
        var (earliest, later) = (DateTime.MaxValue, queue.Count);
        for (var i = queue.Count - 1; i >= 0; i--)
        {
            while (later > 0 && queue[later - 1].Asked - queue[i].Asked > SameMoment)
            {
                later--;
                earliest = queue[later].Assigned < earliest ? queue[later].Assigned : earliest;
            }
            if (earliest < queue[i].Assigned)
            {
                wrong.Add($"{queue[i].Email} waited {(queue[i].Assigned - queue[i].Asked).TotalSeconds:0.0} s while somebody who came later was served");
            }
        }
        return Make("inOrder", "person was overtaken in the queue", "people were overtaken in the queue", "The queue went in order: nobody was overtaken.", wrong);
    }

    private async Task<bool> WasMovedAsync(Guid id, List<string> hostnames)
    {
        var events = await findEvents(id);
        var assigned = events.Where(one => one.Action is EventActions.Assigned or EventActions.Moved).ToList();
        return hostnames.TrueForAll(hostname => assigned.Exists(one => one.Hostname == hostname))
            && assigned.Zip(assigned.Skip(1)).All(pair => pair.Second.Action == EventActions.Moved
                || events.Any(one => one.Action == EventActions.Requeued && one.Id > pair.First.Id && one.Id < pair.Second.Id));
    }

    private static bool Has(Visit visit) => Hostnames(visit).Any();

    private IEnumerable<string> Lost(Visit visit) =>
        Hostnames(visit).Where(hostname => !_told[visit.Id!.Value].Any(one => one.Vm.Hostname == hostname));

    /// <summary>VMs that the person's page named, in order.</summary>
    private static IEnumerable<string> Hostnames(Visit visit) =>
        visit.Seen.Select(view => view.Page.Hostname).OfType<string>().Distinct();

    private bool IsForeign(Visit visit, Assignment page) =>
        page.Id != visit.Id || page.Email != visit.Email
        || (page.ConnectUrl is { } url && url != SimulatedVm.ConnectUrl(page.Hostname!, page.Id))
        || (page.Pin is { } pin && _told[page.Id].All(one => one.VmAnswer.Answer.Assignment!.Command?.Pin != pin));

    private static RehearsalCheck Make(string check, string one, string many, string passed, IEnumerable<string> wrong)
    {
        var examples = wrong.ToList();
        return examples.Count == 0
            ? new RehearsalCheck(check, true, passed, [])
            : new RehearsalCheck(check, false, $"{Count(examples.Count, one, many)}.", [.. examples.Take(MaxExamples)]);
    }

    private static string Count(int count, string one, string many) =>
        string.Create(CultureInfo.InvariantCulture, $"{count:N0} {(count == 1 ? one : many)}");
}
