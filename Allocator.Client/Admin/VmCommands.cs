using System.CommandLine;
using Allocator.Client.Terminal;
using Allocator.Contracts;

namespace Allocator.Client.Admin;

/// <summary>Implements <c>allocator vms …</c>.</summary>
internal static class VmCommands
{
    private static readonly Argument<string> Hostname = new("hostname") { Description = "The VM's host name" };
    private static readonly Argument<string[]> Hostnames = new("hostname")
    {
        Description = "Host names of the VMs; all must exist",
        Arity = ArgumentArity.ZeroOrMore,
    };
    private static readonly Argument<string> Email = new("email") { Description = "The person's e-mail address" };
    private static readonly Option<string?> Pool = Options.Text("--pool", "Select VMs of this pool", "pool");
    private static readonly Option<VmState?> State = Options.Choice<VmState>("--state", "Select VMs by what they are used for now");
    private static readonly Option<VmStatus?> Status = Options.Choice<VmStatus>("--status", "Select VMs by the status that they report");
    private static readonly Option<VmPresence?> Presence = Options.Choice<VmPresence>("--presence", "Select VMs by whether they are polling");
    private static readonly Option<VmHold?> Hold = Options.Choice<VmHold>("--hold", "Select VMs by the hold that an admin has set");
    private static readonly Option<GpuHealth?> Gpu = Options.Choice<GpuHealth>("--gpu", "Select VMs by GPU health");
    private static readonly Option<VmOccupancy?> Assignment = Options.Choice<VmOccupancy>(
        "--assignment", "Select VMs by the state of their assignment");
    private static readonly Option<bool?> Free = new("--free")
    {
        Description = "Select VMs by whether the next person can get them",
        HelpName = "true|false",
    };
    private static readonly Option<bool?> InUse = new("--in-use")
    {
        Description = "Select VMs by whether the workshop's program is running",
        HelpName = "true|false",
    };
    private static readonly Option<string?> Text = Options.Text(
        "--text", "Select VMs whose host name, or whose person's address, contains this text", "text");
    private static readonly Option<bool> All = new("--all") { Description = "Select every VM (required when no filter is given)" };
    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "Only show what would be changed" };
    private static readonly Option<int> Limit = Options.Limit("VMs");
    private static readonly Symbol[] Filters = [Pool, State, Status, Presence, Hold, Gpu, Assignment, Free, InUse, Text];

    public static Command Create() => new CliCommand("vms", "List, hold, drain and delete VMs",
            "allocator vms list --presence lost", "allocator vms show vm-7", "allocator vms drain --pool default --dry-run")
        .With(
            new CliCommand("list", "List VMs by host name. Filters are combined with AND.",
                "allocator vms list",
                "allocator vms list --pool gpu --free false",
                "allocator vms list --status error --json | jq -r '.items[].hostname'")
                .With(Filters).With(Limit).Does(ListAsync),
            new CliCommand("show", "Show one VM, and every reason why it is not free", "allocator vms show vm-7")
                .With(Hostname).Does(ShowAsync),
            Change("hold", "Assign nobody new to VMs; the current person keeps the VM",
                "allocator vms hold vm-7 vm-8", "allocator vms hold --gpu unhealthy --dry-run"),
            Change("unhold", "Return held, draining or retired VMs to the pool", "allocator vms unhold vm-7", "allocator vms unhold --hold held"),
            Change("drain", "Assign nobody new to VMs, and retire each one when it is free",
                "allocator vms drain vm-7", "allocator vms drain --pool default --dry-run"),
            Change("release", "End the assignments on VMs; each VM is cleaned before the next person gets it",
                "allocator vms release vm-7", "allocator vms release --presence lost --assignment connected --dry-run"),
            new CliCommand("delete", "Delete a VM and revoke its token; its history is kept", "allocator vms delete vm-7")
                .With(Hostname).Does(DeleteAsync),
            new CliCommand("assign", "Assign a person to this VM, bypassing pool admission rules", "allocator vms assign vm-7 ada@example.org")
                .With(Hostname, Email).Does(AssignAsync));

    private static CliCommand Change(string verb, string description, params string[] examples) =>
        new CliCommand(verb, description, examples).With(Hostnames).With(Filters).With(All, DryRun)
            .Does((api, parsed, output, cancel) => ChangeAsync(verb, api, parsed, output, cancel));

    private static async Task ListAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var filter = Query.Of(Selection(parsed), WireJson.Default.VmQuery);
        var page = await Reply.AllAsync(parsed.GetValue(Limit), (after, limit) => api.ListVmsAsync(filter, after, limit, cancel));
        string[] columns = ["VM", "POOL", "FREE", "STATE", "STATUS", "PRESENCE", "HOLD", "GPU", "PERSON", "LAST POLL"];
        output.ShowList(page, WireJson.Default.PageVm, columns, vm =>
        [
            vm.Hostname, vm.Pool, vm.Free ? "yes" : "no", Options.WireName(vm.State), Options.WireName(vm.Status), Options.WireName(vm.Presence),
            Options.WireName(vm.Hold), Options.WireName(vm.Gpu), vm.Email, Output.Time(vm.PolledAt),
        ]);
    }

    private static async Task ShowAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel) =>
        output.Show(Reply.Content(await api.FindVmAsync(parsed.GetRequiredValue(Hostname), cancel)), WireJson.Default.VmDetail, vm => Output.Facts(
        [
            ("VM", vm.Hostname), ("pool", vm.Pool), ("free", vm.Free ? "yes" : "no"),
            .. vm.NotFreeBecause.Select(reason => ("", (string?)$"{reason.Text} ({reason.Code})")),
            ("state", Options.WireName(vm.State)), ("status", Options.WireName(vm.Status)), ("", vm.StatusDetail),
            ("presence", Options.WireName(vm.Presence)),
            ("hold", Options.WireName(vm.Hold)), ("GPU", Options.WireName(vm.Gpu)), ("in use", vm.InUse is { } used ? (used ? "yes" : "no") : null),
            ("person", vm.Email), ("assignment", $"{vm.AssignmentId}"), ("cleaning since", Output.Time(vm.CleaningSince)),
            ("last poll", Output.Time(vm.PolledAt)), ("enrolled", Output.Time(vm.EnrolledAt)),
            .. vm.Warnings.Select(warning => ($"warning: {warning.Key}", (string?)warning.Value)),
            .. vm.Metadata.Select(fact => (fact.Key, (string?)fact.Value)),
        ]));

    private static async Task ChangeAsync(string verb, IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var selection = Selection(parsed);
        // A misspelt host name must stop the command before it changes any VM.
        foreach (var hostname in selection.Hostnames ?? [])
        {
            Reply.Check(await api.FindVmAsync(hostname, cancel));
        }
        var touched = Reply.Content(await api.ChangeVmsAsync(verb, selection, cancel));
        output.ShowTouched(touched, WireJson.Default.TouchedTouchedVm, "VM", ["VM", "PERSON"], vm => [vm.Hostname, vm.Email]);
    }

    private static async Task DeleteAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var hostname = parsed.GetRequiredValue(Hostname);
        Reply.Check(await api.DeleteVmAsync(hostname, cancel));
        output.Print($"Deleted VM {hostname}.");
    }

    private static async Task AssignAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel) =>
        AssignmentCommands.Show(output, Reply.Content(await api.AssignVmAsync(
            parsed.GetRequiredValue(Hostname), new VmAssignmentRequest(parsed.GetRequiredValue(Email)), cancel)));

    private static VmSelection Selection(ParseResult parsed) => new()
    {
        Hostnames = parsed.GetResult(Hostnames) is { Tokens.Count: > 0 } ? parsed.GetValue(Hostnames) : null,
        Pool = parsed.GetValue(Pool),
        State = parsed.GetValue(State),
        Status = parsed.GetValue(Status),
        Presence = parsed.GetValue(Presence),
        Hold = parsed.GetValue(Hold),
        Gpu = parsed.GetValue(Gpu),
        Assignment = parsed.GetValue(Assignment),
        Free = parsed.GetValue(Free),
        InUse = parsed.GetValue(InUse),
        Text = parsed.GetValue(Text),
        All = parsed.GetValue(All),
        DryRun = parsed.GetValue(DryRun),
    };
}
