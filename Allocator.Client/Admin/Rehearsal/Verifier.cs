using System.Globalization;
using Allocator.Contracts;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>The result of one check of a rehearsal.</summary>
/// <param name="Check">The name of the check, which stays stable for programs.</param>
/// <param name="Text">A sentence for people.</param>
/// <param name="Examples">The first few violations.</param>
internal sealed record RehearsalCheck(string Check, bool Passed, string Text, IReadOnlyList<string> Examples);

/// <summary>
/// Compares what the VMs received with what the people saw. The allocator's own events are consulted for one thing only:
/// whether a person who had two VMs was moved from one to the other.
/// </summary>
internal sealed class Verifier(
    IReadOnlyList<VmLog> vms, IReadOnlyList<Visit> visits, Func<Guid, Task<IReadOnlyList<EventRecord>>> findEvents)
{
    private const int MaxExamples = 5;

    /// <summary>Requests closer together than this may be served in either order.</summary>
    private static readonly TimeSpan QueueTolerance = TimeSpan.FromSeconds(2);

    private readonly Dictionary<Guid, Visit> _visits =
        visits.Where(visit => visit.Id is not null).DistinctBy(visit => visit.Id).ToDictionary(visit => visit.Id!.Value);

    /// <summary>The VMs that received each assignment, by assignment id, in order of time.</summary>
    private readonly ILookup<Guid, (VmLog Vm, TimeSpan At, AssignedPerson Person)> _received = (
        from vm in vms
        from answer in vm.Answers
        where answer.Body.Assignment is not null
        orderby answer.At
        select (Vm: vm, answer.At, Person: answer.Body.Assignment)).ToLookup(received => received.Person.Id);

    public async Task<IReadOnlyList<RehearsalCheck>> VerifyAsync() =>
    [
        CheckServed(), await CheckOneVmEachAsync(), CheckOnePersonEach(), CheckNothingLost(), CheckConnected(), CheckPrivacy(), CheckOrder(),
    ];

    /// <summary>
    /// Returns the seconds from each request until a VM received the assignment, by whether a VM was free at the time of the
    /// request. The n-th request counts as having found a free VM if VMs had become free at least n times before it.
    /// </summary>
    public ILookup<bool, double> Pickups()
    {
        var becameFree = (
            from vm in vms
            from pair in vm.Answers.Prepend(null).Zip(vm.Answers)
            where pair.Second.Body.State == VmState.Free && pair.First?.Body.State != VmState.Free
            orderby pair.Second.At
            select pair.Second.At).ToArray();
        var requests = visits.OrderBy(visit => visit.RequestedAt)
            .Select((visit, n) => (Visit: visit, WasFree: n < becameFree.Length && becameFree[n] <= visit.RequestedAt));
        return (
            from request in requests
            where request.Visit.Id is not null && _received.Contains(request.Visit.Id.Value)
            let receivedAt = _received[request.Visit.Id!.Value].First().At
            select (request.WasFree, Seconds: (receivedAt - request.Visit.RequestedAt).TotalSeconds))
            .ToLookup(pickup => pickup.WasFree, pickup => pickup.Seconds);
    }

    /// <summary>Returns the seconds from each request until the person's page showed where to connect.</summary>
    public IEnumerable<double> Connections() =>
        from visit in visits
        let connected = visit.Views.FirstOrDefault(view => view.Page.State == AssignmentState.Connected)
        where connected is not null
        select (connected.At - visit.RequestedAt).TotalSeconds;

    private RehearsalCheck CheckServed()
    {
        var people = visits.Select(visit => visit.Email).Distinct().Count();
        return Result("everybodyServed", "person got no VM", "people got no VM",
            $"Everybody got a VM: {Count(people, "person", "people")} made {Count(visits.Count, "request", "requests")}.",
            from visit in visits
            where !HadVm(visit)
            select $"{visit.Email} got no VM: {visit.Refusal ?? "still in the queue at the end"}");
    }

    /// <summary>Checks that each assignment was on one VM only, both in the VMs' logs and on its person's pages.</summary>
    private async Task<RehearsalCheck> CheckOneVmEachAsync()
    {
        var violations = new List<string>();
        var moved = 0;
        foreach (var (id, visit) in _visits)
        {
            var hostnames = _received[id].Select(received => received.Vm.Hostname).Concat(Hostnames(visit)).Distinct().ToList();
            if (hostnames.Count < 2)
            {
                continue;
            }
            if (violations.Count < MaxExamples && await WasMovedAsync(id, hostnames))
            {
                moved++;
            }
            else
            {
                violations.Add($"{visit.Email} was given {string.Join(" and ", hostnames)}");
            }
        }
        var moves = moved == 0 ? "" : $" {Count(moved, "person was", "people were")} moved to another VM, according to the events.";
        return Result("oneVmEach", "person had two VMs at once", "people had two VMs at once", "Nobody had two VMs." + moves, violations);
    }

    /// <summary>
    /// Checks both sides: a VM must receive the order to clean between two people, and no page may show a VM before the
    /// previous person has released it.
    /// </summary>
    private RehearsalCheck CheckOnePersonEach()
    {
        var inLogs =
            from vm in vms
            from pair in vm.Answers.Zip(vm.Answers.Skip(1))
            where pair.First.Body.Assignment is { } first && pair.Second.Body.Assignment is { } second && first.Id != second.Id
            select (vm.Hostname, First: pair.First.Body.Assignment!.Email, Second: pair.Second.Body.Assignment!.Email);
        var stays =
            from visit in _visits.Values
            from hostname in Hostnames(visit)
            let views = visit.Views.Where(view => view.Page.Hostname == hostname).ToList()
            let next = visit.Views.FirstOrDefault(view => view.At > views[^1].At)
            let until = Earlier(next is null ? visit.LeftAt : views[^1].At, visit.LeftAt) ?? TimeSpan.MaxValue
            select (hostname, visit.Email, From: views[0].At, Until: until);
        var onPages =
            from stay in stays.GroupBy(stay => stay.hostname)
            let inOrder = stay.OrderBy(one => one.From).ToList()
            from pair in inOrder.Zip(inOrder.Skip(1))
            where pair.Second.From < pair.First.Until
            select (Hostname: stay.Key, First: pair.First.Email, Second: pair.Second.Email);
        return Result("onePersonEach", "VM had two people at once", "VMs had two people at once", "No VM had two people.",
            inLogs.Concat(onPages).DistinctBy(violation => violation.Hostname)
                .Select(violation => $"{violation.Hostname} had {violation.First} and {violation.Second}"));

        static TimeSpan? Earlier(TimeSpan? a, TimeSpan? b) => a is null ? b : b is null || a < b ? a : b;
    }

    private RehearsalCheck CheckNothingLost() => Result("nothingLost", "assignment never reached its VM", "assignments never reached their VMs",
        "No assignment was lost: each one that a person was shown reached its VM.",
        from visit in _visits.Values
        from hostname in LostOn(visit)
        select $"{visit.Email} was shown {hostname}, but {hostname} never received the assignment");

    /// <summary>Checks only the visits whose VM received the assignment; the others are already reported as lost.</summary>
    private RehearsalCheck CheckConnected() => Result("everybodyConnected", "person could not connect", "people could not connect",
        "Everybody was shown where to connect.",
        from visit in visits
        where HadVm(visit) && !LostOn(visit).Any() && visit.Views.All(view => view.Page.State != AssignmentState.Connected)
        let why = visit.Refusal is { } refusal ? $": {refusal}" : ""
        select $"{visit.Email} has {visit.Views[^1].Page.Hostname}, but was never shown where to connect{why}");

    private RehearsalCheck CheckPrivacy()
    {
        var onPages =
            from visit in _visits.Values
            let foreign = visit.Views.FirstOrDefault(view => IsForeign(visit, view.Page))
            where foreign is not null
            select $"{visit.Email} saw on their page: {foreign.Page.Email}, {foreign.Page.Hostname}, {foreign.Page.ConnectUrl}";
        var addresses = visits.Select(visit => visit.Email).ToHashSet();
        var inLogs =
            from received in _received.SelectMany(assignment => assignment)
            let person = received.Person
            where _visits.TryGetValue(person.Id, out var visit)
                ? person.Email != visit.Email || person.Command?.Code != visit.Code
                : !addresses.Contains(person.Email)
            select $"{received.Vm.Hostname} received a wrong address or code for {person.Email}";
        return Result("nothingOfOthers",
            "person or VM saw data that belongs to someone else", "people or VMs saw data that belongs to someone else",
            "Nobody saw data that belongs to someone else.", onPages.Concat(inLogs));
    }

    /// <summary>Checks the order by the allocator's own times, because the queue is ordered by them.</summary>
    private RehearsalCheck CheckOrder()
    {
        var queue = (
            from visit in _visits.Values
            let assigned = visit.Views.Select(view => view.Page.AssignedAt).FirstOrDefault(at => at is not null)
            where assigned is not null
            orderby visit.Views[0].Page.RequestedAt
            select (visit.Email, Requested: visit.Views[0].Page.RequestedAt, Assigned: assigned.Value)).ToList();
        // Walking backwards keeps the earliest time at which anybody was served who came clearly later.
        var violations = new List<string>();
        var (earliest, later) = (DateTime.MaxValue, queue.Count);
        for (var i = queue.Count - 1; i >= 0; i--)
        {
            while (later > 0 && queue[later - 1].Requested - queue[i].Requested > QueueTolerance)
            {
                later--;
                earliest = queue[later].Assigned < earliest ? queue[later].Assigned : earliest;
            }
            if (earliest < queue[i].Assigned)
            {
                var waited = (queue[i].Assigned - queue[i].Requested).TotalSeconds;
                violations.Add(string.Create(CultureInfo.InvariantCulture,
                    $"{queue[i].Email} waited {waited:0.0} s while somebody who came later was served"));
            }
        }
        return Result("inOrder", "person was overtaken in the queue", "people were overtaken in the queue",
            "The queue was served in order: nobody was overtaken.", violations);
    }

    private async Task<bool> WasMovedAsync(Guid id, List<string> hostnames)
    {
        var events = await findEvents(id);
        var assigned = events.Where(one => one.Action is EventActions.Assigned or EventActions.Moved).ToList();
        return hostnames.TrueForAll(hostname => assigned.Exists(one => one.Hostname == hostname))
            && assigned.Zip(assigned.Skip(1)).All(pair => pair.Second.Action == EventActions.Moved
                || events.Any(one => one.Action == EventActions.Requeued && one.Id > pair.First.Id && one.Id < pair.Second.Id));
    }

    private static bool HadVm(Visit visit) => Hostnames(visit).Any();

    /// <summary>Returns the VMs that the person was shown but that never received the assignment.</summary>
    private IEnumerable<string> LostOn(Visit visit) =>
        Hostnames(visit).Where(hostname => !_received[visit.Id!.Value].Any(received => received.Vm.Hostname == hostname));

    /// <summary>Returns the VMs that the person's page showed, in order.</summary>
    private static IEnumerable<string> Hostnames(Visit visit) =>
        visit.Views.Select(view => view.Page.Hostname).OfType<string>().Distinct();

    private bool IsForeign(Visit visit, Assignment page) =>
        page.Id != visit.Id || page.Email != visit.Email
        || (page.ConnectUrl is { } url && url != SimulatedVm.ConnectUrl(page.Hostname!, page.Id))
        || (page.Pin is { } pin && _received[page.Id].All(received => received.Person.Command?.Pin != pin));

    private static RehearsalCheck Result(string check, string one, string many, string passed, IEnumerable<string> violations)
    {
        var examples = violations.ToList();
        return examples.Count == 0
            ? new RehearsalCheck(check, true, passed, [])
            : new RehearsalCheck(check, false, $"{Count(examples.Count, one, many)}.", [.. examples.Take(MaxExamples)]);
    }

    private static string Count(int count, string one, string many) =>
        string.Create(CultureInfo.InvariantCulture, $"{count:N0} {(count == 1 ? one : many)}");
}
