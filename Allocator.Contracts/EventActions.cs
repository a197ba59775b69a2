namespace Allocator.Contracts;

/// <summary>One kind of event.</summary>
/// <param name="Name">The value of <see cref="EventRecord.Action"/>.</param>
/// <param name="Meaning">A sentence that says what happened.</param>
/// <param name="Actors">Who can cause it, as <see cref="EventRecord.Actor"/> is written.</param>
/// <param name="Subjects">The fields of <see cref="EventRecord"/> that name what it happened to; an optional one ends with a question mark.</param>
public sealed record EventAction(string Name, string Meaning, IReadOnlyList<string> Actors, IReadOnlyList<string> Subjects);

/// <summary>Every action that an event can have. The names are part of the wire contract: they are added, never changed.</summary>
public static class EventActions
{
    public const string Requested = "requested";
    public const string CommandRenewed = "command_renewed";
    public const string Assigned = "assigned";
    public const string Received = "received";
    public const string Connected = "connected";
    public const string Moved = "moved";
    public const string Requeued = "requeued";
    public const string Extended = "extended";
    public const string Released = "released";
    public const string Expired = "expired";
    public const string Cancelled = "cancelled";
    public const string Failed = "failed";

    public const string Enrolled = "enrolled";
    public const string EnrolledAgain = "enrolled_again";
    public const string Reported = "reported";
    public const string Broken = "broken";
    public const string Clean = "clean";
    public const string VmLost = "vm_lost";
    public const string VmFound = "vm_found";
    public const string VmHeld = "vm_held";
    public const string VmUnheld = "vm_unheld";
    public const string VmDrained = "vm_drained";
    public const string VmRetired = "vm_retired";
    public const string VmDeleted = "vm_deleted";

    public const string PoolMade = "pool_made";
    public const string PoolChanged = "pool_changed";
    public const string PoolDeleted = "pool_deleted";
    public const string RosterChanged = "roster_changed";
    public const string RosterRemoved = "roster_removed";
    public const string EnrolmentTokenMade = "enrolment_token_made";
    public const string EnrolmentTokenUsed = "enrolment_token_used";
    public const string EnrolmentTokenDeleted = "enrolment_token_deleted";

    public const string SignInFailed = "sign_in_failed";

    private const string Person = "person";
    private const string Vm = "vm:<hostname>";
    private const string Admin = "admin:<name>";
    private const string Allocator = "allocator";

    private static readonly string[] Assignment = ["pool", "assignmentId"];
    private static readonly string[] AssignmentOnVm = ["pool", "hostname", "assignmentId"];
    private static readonly string[] AssignmentMaybeOnVm = ["pool", "hostname?", "assignmentId"];
    private static readonly string[] OneVm = ["pool", "hostname"];
    private static readonly string[] OnePool = ["pool"];
    private static readonly string[] Token = ["pool?", "hostname?"];

    /// <summary>
    /// All actions: first those of an assignment in the order of its life, then those of VMs, then those of pools and tokens,
    /// then sign-ins.
    /// </summary>
    public static IReadOnlyList<EventAction> All { get; } =
    [
        new(Requested, "A person asked for a VM and joined the queue.", [Person], Assignment),
        new(CommandRenewed, "A person in the queue replaced their remote desktop command.", [Person], Assignment),
        new(Assigned, "A VM was assigned to the person: it polled and took the first in the queue, or an admin chose it.",
            [Vm, Admin], AssignmentOnVm),
        new(Received, "The VM acknowledged the assignment.", [Vm], AssignmentOnVm),
        new(Connected, "The VM is ready for the person.", [Vm], AssignmentOnVm),
        new(Moved, "An admin moved the person to another VM.", [Admin], AssignmentOnVm),
        new(Requeued, "The person went back to the head of the queue; `why` is `vm_lost`, `undelivered`, `no_outcome` or `hook_failed`.",
            [Vm, Allocator], AssignmentOnVm),
        new(Extended, "An admin changed the end of the assignment.", [Admin], AssignmentMaybeOnVm),
        new(Released, "The assignment ended because the VM was given back.", [Person, Admin], AssignmentOnVm),
        new(Expired, "The assignment ended because its time was up.", [Allocator], AssignmentMaybeOnVm),
        new(Cancelled, "The assignment ended in the queue, before it had a VM.", [Person, Admin], Assignment),
        new(Failed, "The assignment ended because too many VMs failed to prepare for the person.", [Vm, Allocator], AssignmentOnVm),

        new(Enrolled, "A machine enrolled as a new VM.", [Vm], OneVm),
        new(EnrolledAgain, "The machine of a known VM enrolled again and got a new token.", [Vm], OneVm),
        new(Reported, "The VM reported a changed fact about itself, such as its status or its GPU.", [Vm], OneVm),
        new(Broken, "The VM reported a failure that leaves its person, if any, where they are; its status is now `error`.",
            [Vm], ["pool", "hostname", "assignmentId?"]),
        new(Clean, "The VM reported that it is clean.", [Vm], OneVm),
        new(VmLost, "The VM was marked lost: no poll arrived for `Liveness:LostAfter`.", [Allocator], OneVm),
        new(VmFound, "A lost VM polled again.", [Allocator], OneVm),
        new(VmHeld, "An admin held the VM.", [Admin], OneVm),
        new(VmUnheld, "An admin put the VM back into its pool.", [Admin], OneVm),
        new(VmDrained, "An admin drained the VM: it takes no new person and is retired when it is free.", [Admin], OneVm),
        new(VmRetired, "A drained VM became free and was retired.", [Allocator], OneVm),
        new(VmDeleted, "An admin deleted the VM.", [Admin], OneVm),

        new(PoolMade, "An admin created the pool.", [Admin], OnePool),
        new(PoolChanged, "An admin changed the settings of the pool.", [Admin], OnePool),
        new(PoolDeleted, "An admin deleted the pool.", [Admin], OnePool),
        new(RosterChanged, "An admin changed who may ask for a VM of the pool.", [Admin], OnePool),
        new(RosterRemoved, "An admin removed the roster of the pool, which now admits everybody.", [Admin], OnePool),
        new(EnrolmentTokenMade, "An admin created an enrolment token, possibly bound to a pool or a host name.", [Admin], Token),
        new(EnrolmentTokenUsed, "A machine enrolled with a token that an admin created.", [Vm], OneVm),
        new(EnrolmentTokenDeleted, "An admin deleted an enrolment token.", [Admin], Token),

        new(SignInFailed,
            "Sign-ins of admins failed: how many in `count`, of which `refused` were not checked, from how many `addresses`, "
                + "under which admins' `names` (up to five), and how many under no admin's name (`unknown`).",
            [Allocator], []),
    ];
}
