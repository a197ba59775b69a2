using System.CommandLine;
using Allocator.Client.Terminal;
using Allocator.Contracts;

namespace Allocator.Client.Admin;

/// <summary><c>allocator assignments …</c></summary>
internal static class AssignmentCommands
{
    private static readonly Argument<string> Who = new("who") { Description = "The assignment's id, or the address of a person who has or waits for a VM" };
    private static readonly Argument<string[]> Whose = new("who") { Description = "Ids or addresses", Arity = ArgumentArity.ZeroOrMore };
    private static readonly Option<string?> Pool = Options.Text("--pool", "In this pool", "pool");
    private static readonly Option<AssignmentState?> State = Options.Choice<AssignmentState>("--state", "How far they are");
    private static readonly Option<string?> Hostname = Options.Text("--hostname", "On this VM", "hostname");
    private static readonly Option<string?> Email = Options.Text("--email", "Of this person", "email");
    private static readonly Option<string?> Text = Options.Text("--text", "A part of the address or of the VM's host name", "text");
    private static readonly Option<bool> All = new("--all") { Description = "Really every live assignment" };
    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "Change nothing, only say what would be changed" };
    private static readonly Option<int> Limit = Options.Limit("assignments");
    private static readonly Option<string?> To = Options.Text("--to", "The VM to move to; any free one of the pool if absent", "hostname");
    private static readonly Option<string?> From = Options.Text("--from", "Only if they are on this VM: makes a repetition harmless", "hostname");
    private static readonly Option<TimeSpan?> By = Options.Duration("--by", "So much longer");
    private static readonly Option<DateTime?> Until = Options.Time("--until", "The new end");
    private static readonly Symbol[] Filters = [Pool, State, Hostname, Email, Text];

    public static Command Create() => new CliCommand("assignments", "Who has, had or waits for a VM: see them, move them, give them time, end them",
            "allocator assignments list --state waiting", "allocator assignments move ada@example.org", "allocator assignments release --pool default --dry-run")
        .With(
            new CliCommand("list", "Assignments, in the order of their requests; all filters that are given must fit",
                "allocator assignments list --state connected", "allocator assignments list --text example.org --json")
                .With(Filters).With(Limit).Does(ListAsync),
            new CliCommand("show", "One assignment", "allocator assignments show ada@example.org")
                .With(Who).Does(async (api, parsed, output, cancel) => Show(output, await FindAsync(api, parsed, cancel))),
            new CliCommand("move", "Move a person to another VM; their assignment stays the same",
                "allocator assignments move ada@example.org", "allocator assignments move ada@example.org --to vm-9")
                .With(Who, To, From).Does(MoveAsync),
            new CliCommand("extend", "Give a person more time, or another end",
                "allocator assignments extend ada@example.org --by 00:30:00", "allocator assignments extend ada@example.org --until 17:30")
                .With(Who, By, Until).Does(ExtendAsync),
            new CliCommand("release", "End assignments: the waiting are cancelled, the others released",
                "allocator assignments release ada@example.org", "allocator assignments release --pool default --dry-run", "allocator assignments release --all")
                .With(Whose).With(Filters).With(All, DryRun).Does(ReleaseAsync));

    public static void Show(Output output, Assignment assignment) => output.Show(assignment, WireJson.Default.Assignment, one => Output.Facts(
        ("assignment", $"{one.Id}"), ("person", one.Email), ("pool", one.Pool), ("state", Options.WireName(one.State)), ("why ended", Options.WireName(one.EndReason)),
        ("VM", one.Hostname), ("place", $"{one.Position}"), ("about", Output.Seconds(one.EstimatedWaitSeconds)), ("connect at", one.ConnectUrl),
        ("failed VMs", one.Attempts == 0 ? null : $"{one.Attempts}"), ("asked", Output.Time(one.RequestedAt)), ("assigned", Output.Time(one.AssignedAt)),
        ("connected", Output.Time(one.ConnectedAt)), ("warned from", Output.Time(one.WarnAt)), ("ends", Output.Time(one.ExpiresAt)), ("ended", Output.Time(one.EndedAt))));

    private static async Task ListAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var page = await Reply.AllAsync(parsed.GetValue(Limit), (after, limit) => api.ListAssignmentsAsync(
            parsed.GetValue(Pool), Options.WireName(parsed.GetValue(State)), parsed.GetValue(Hostname), parsed.GetValue(Email), parsed.GetValue(Text), after, limit, cancel));
        output.ShowList(page, WireJson.Default.PageAssignment, ["PERSON", "POOL", "STATE", "PLACE", "VM", "FAILED VMS", "ASKED", "ENDS", "ENDED", "ID"], one =>
        [
            one.Email, one.Pool, Options.WireName(one.State), $"{one.Position}", one.Hostname, one.Attempts == 0 ? "" : $"{one.Attempts}",
            Output.Time(one.RequestedAt), Output.Time(one.ExpiresAt), one.EndReason is { } why ? $"{Options.WireName(why)} {Output.Time(one.EndedAt)}" : "", $"{one.Id}",
        ]);
    }

    private static async Task MoveAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var one = await FindAsync(api, parsed, cancel);
        Show(output, Reply.Content(await api.MoveAsync(one.Id, new MoveRequest(parsed.GetValue(To), parsed.GetValue(From)), cancel)));
    }

    private static async Task ExtendAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var one = await FindAsync(api, parsed, cancel);
        Show(output, Reply.Content(await api.ExtendAsync(one.Id, new ExtensionRequest(parsed.GetValue(Until), parsed.GetValue(By)), cancel)));
    }

    private static async Task ReleaseAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        List<Guid>? ids = null;
        foreach (var who in parsed.GetValue(Whose) ?? [])
        {
            (ids ??= []).Add((await FindAsync(api, who, cancel)).Id);
        }
        var touched = Reply.Content(await api.ReleaseAsync(new AssignmentSelection(
            ids, parsed.GetValue(Pool), parsed.GetValue(State), parsed.GetValue(Hostname), parsed.GetValue(Email), parsed.GetValue(Text),
            parsed.GetValue(All), parsed.GetValue(DryRun)), cancel));
        output.ShowTouched(touched, WireJson.Default.TouchedTouchedAssignment, "assignment", ["PERSON", "WAS", "VM", "ID"],
            one => [one.Email, Options.WireName(one.State), one.Hostname, $"{one.Id}"]);
    }

    private static Task<Assignment> FindAsync(IAdminApi api, ParseResult parsed, CancellationToken cancel) =>
        FindAsync(api, parsed.GetRequiredValue(Who), cancel);

    private static async Task<Assignment> FindAsync(IAdminApi api, string who, CancellationToken cancel)
    {
        if (Guid.TryParse(who, out var id))
        {
            return Reply.Content(await api.FindAssignmentAsync(id, cancel));
        }
        var theirs = await Reply.AllAsync(int.MaxValue, (after, limit) => api.ListAssignmentsAsync(null, null, null, who, null, after, limit, cancel));
        return theirs.Items.Where(one => one.State != AssignmentState.Ended).ToList() switch
        {
            [var one] => one,
            [] => throw new CommandException(ExitCode.Refused, $"{who} has no VM and waits for none. What they had: allocator assignments list --email {who}"),
            var several => throw new CommandException(ExitCode.Refused, string.Join(Environment.NewLine,
                [$"{who} is in several pools. Name the assignment:", .. several.Select(one => $"  {one.Id}  {one.Pool}  {one.Hostname}")])),
        };
    }
}
