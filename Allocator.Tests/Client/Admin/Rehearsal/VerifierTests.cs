using Allocator.Client.Admin.Rehearsal;
using Allocator.Contracts;
using Xunit;

namespace Allocator.Tests.Client.Admin.Rehearsal;

/// <summary>Tests the cases that a proxy in front of the API cannot cause.</summary>
public sealed class VerifierTests
{
    private static readonly DateTime Start = new(2026, 2, 3, 9, 0, 0, DateTimeKind.Utc);

    [Theory]
    [InlineData(0, 9, 3, 5, false)]
    [InlineData(0, 5, 3, 9, true)]
    [InlineData(0, 9, 1, 5, true)]
    public async Task Queue_jumping_is_detected(
        int requested, int assigned, int otherRequested, int otherAssigned, bool passes)
    {
        var verifier = new Verifier([], [Visit("ada", requested, assigned), Visit("grace", otherRequested, otherAssigned)], NoEvents);
        var check = (await verifier.VerifyAsync()).Single(check => check.Check == "inOrder");
        Assert.Equal((passes, passes ? 0 : 1), (check.Passed, check.Examples.Count(example => example.StartsWith("ada ", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task Move_that_the_events_record_is_no_double_assignment()
    {
        var visit = Visit("ada", 0, 1);
        var (one, other) = (Log("vm-1", visit, 1), Log("vm-2", visit, 5));
        Assert.True(await PassesAsync([Event(1, "assigned", "vm-1"), Event(2, "requeued", "vm-1"), Event(3, "assigned", "vm-2")]));
        Assert.False(await PassesAsync([Event(1, "assigned", "vm-1"), Event(3, "assigned", "vm-2")]));
        Assert.False(await PassesAsync([Event(1, "assigned", "vm-1"), Event(2, "requeued", "vm-1")]));

        async Task<bool> PassesAsync(EventRecord[] events) =>
            (await new Verifier([one, other], [visit], _ => Task.FromResult<IReadOnlyList<EventRecord>>(events)).VerifyAsync())
                .Single(check => check.Check == "oneVmEach").Passed;
    }

    [Fact]
    public void Request_counts_as_waiting_if_earlier_requests_take_all_free_vms()
    {
        var visits = new[] { Visit("ada", 1, 2), Visit("grace", 1, 8) };
        var vm = Log("vm-1", visits[0], 2);
        vm.Answers.Insert(0, new VmAnswer(TimeSpan.Zero, new VmAssignment("vm-1", 1, VmState.Free, null)));
        vm.Answers.Add(new VmAnswer(TimeSpan.FromSeconds(7), new VmAssignment("vm-1", 4, VmState.Free, null)));
        vm.Answers.AddRange(Log("vm-1", visits[1], 8).Answers);
        var pickups = new Verifier([vm], visits, NoEvents).Pickups();
        Assert.Equal([1.0], pickups[true]);
        Assert.Equal([7.0], pickups[false]);
    }

    private static Task<IReadOnlyList<EventRecord>> NoEvents(Guid assignment) => Task.FromResult<IReadOnlyList<EventRecord>>([]);

    private static Visit Visit(string email, int requested, int assigned)
    {
        var visit = new Visit(email, "4/0A", TimeSpan.FromSeconds(requested)) { Id = Guid.NewGuid() };
        visit.Views.Add(new PageView(TimeSpan.FromSeconds(assigned), new Assignment(
            visit.Id.Value, "played", email, AssignmentState.Assigned, null, "vm-1", null, null, 0,
            Start.AddSeconds(requested), Start.AddSeconds(assigned), null, null, null, null)));
        return visit;
    }

    private static VmLog Log(string hostname, Visit visit, int at)
    {
        var vm = new VmLog(hostname);
        vm.Answers.Add(new VmAnswer(TimeSpan.FromSeconds(at), new VmAssignment(
            hostname, 2, VmState.Assigned, new AssignedPerson(visit.Id!.Value, visit.Email, new RemoteDesktopCommand("4/0A", "123456"), Start))));
        return vm;
    }

    private static EventRecord Event(long id, string action, string hostname) =>
        new(id, Start, "allocator", action, "played", hostname, null, default);
}
