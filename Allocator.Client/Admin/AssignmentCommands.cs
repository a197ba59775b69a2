using System.CommandLine;
using Allocator.Client.Terminal;
using Allocator.Contracts;

namespace Allocator.Client.Admin;

/// <summary>Implements <c>allocator assignments …</c>.</summary>
internal static class AssignmentCommands
{
    private static readonly Argument<string> Who = new("who")
    {
        Description = "An assignment's id, or the e-mail address of a person who has a VM or is queued",
    };
    private static readonly Argument<string[]> Whose = new("who") { Description = "Ids or e-mail addresses", Arity = ArgumentArity.ZeroOrMore };
    private static readonly Option<string?> Pool = Options.Text("--pool", "Select assignments in this pool", "pool");
    private static readonly Option<AssignmentState?> State = Options.Choice<AssignmentState>("--state", "Select assignments in this state");
    private static readonly Option<string?> Hostname = Options.Text("--hostname", "Select assignments on this VM", "hostname");
    private static readonly Option<string?> Email = Options.Text("--email", "Select the assignments of this person", "email");
    private static readonly Option<string?> Text = Options.Text(
        "--text", "Select assignments whose e-mail address or host name contains this text", "text");
    private static readonly Option<bool> All = new("--all") { Description = "Select every live assignment (required when no filter is given)" };
    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "Only show what would be changed" };
    private static readonly Option<int> Limit = Options.Limit("assignments");
    private static readonly Option<string?> To = Options.Text("--to", "The VM to move to; default: any free VM of the pool", "hostname");
    private static readonly Option<string?> From = Options.Text(
        "--from", "Move only if the person is on this VM, so that repeating the command does not move them twice", "hostname");
    private static readonly Option<TimeSpan?> By = Options.Duration("--by", "Extend by this duration");
    private static readonly Option<DateTime?> Until = Options.Time("--until", "Set the end to this time");
    private static readonly Symbol[] Filters = [Pool, State, Hostname, Email, Text];

    public static Command Create() => new CliCommand("assignments", "List, move, extend and end assignments of people to VMs",
            "allocator assignments list --state waiting",
            "allocator assignments move ada@example.org",
            "allocator assignments release --pool default --dry-run")
        .With(
            new CliCommand("list", "List assignments in the order in which they were requested. Filters are combined with AND.",
                "allocator assignments list --state connected", "allocator assignments list --text example.org --json")
                .With(Filters).With(Limit).Does(ListAsync),
            new CliCommand("show", "Show one assignment", "allocator assignments show ada@example.org")
                .With(Who).Does(async (api, parsed, output, cancel) => Show(output, await FindAsync(api, parsed, cancel))),
            new CliCommand("move", "Move a person to another VM; the assignment and its page stay the same",
                "allocator assignments move ada@example.org", "allocator assignments move ada@example.org --to vm-9")
                .With(Who, To, From).Does(MoveAsync),
            new CliCommand("extend", "Give a person more time: either by a duration or until a time",
                "allocator assignments extend ada@example.org --by 00:30:00", "allocator assignments extend ada@example.org --until 17:30")
                .With(Who, By, Until).Does(ExtendAsync),
            new CliCommand("release", "End assignments: queued people are cancelled, the VMs of the others are released",
                "allocator assignments release ada@example.org",
                "allocator assignments release --pool default --dry-run",
                "allocator assignments release --all")
                .With(Whose).With(Filters).With(All, DryRun).Does(ReleaseAsync));

    public static void Show(Output output, Assignment assignment) => output.Show(assignment, WireJson.Default.Assignment, one => Output.Facts(
        ("assignment", $"{one.Id}"), ("person", one.Email), ("pool", one.Pool),
        ("state", Options.WireName(one.State)), ("ended because", Options.WireName(one.EndReason)),
        ("VM", one.Hostname), ("place in queue", $"{one.Position}"), ("estimated wait", Output.Seconds(one.EstimatedWaitSeconds)),
        ("connect at", one.ConnectUrl), ("failed attempts", one.Attempts == 0 ? null : $"{one.Attempts}"),
        ("requested", Output.Time(one.RequestedAt)), ("assigned", Output.Time(one.AssignedAt)),
        ("connected", Output.Time(one.ConnectedAt)), ("warning at", Output.Time(one.WarnAt)),
        ("expires", Output.Time(one.ExpiresAt)), ("ended", Output.Time(one.EndedAt))));

    private static async Task ListAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var page = await Reply.AllAsync(parsed.GetValue(Limit), (after, limit) => api.ListAssignmentsAsync(
            parsed.GetValue(Pool), Options.WireName(parsed.GetValue(State)), parsed.GetValue(Hostname), parsed.GetValue(Email),
            parsed.GetValue(Text), after, limit, cancel));
        string[] columns = ["PERSON", "POOL", "STATE", "PLACE", "VM", "ATTEMPTS", "REQUESTED", "EXPIRES", "ENDED", "ID"];
        output.ShowList(page, WireJson.Default.PageAssignment, columns, one =>
        [
            one.Email, one.Pool, Options.WireName(one.State), $"{one.Position}", one.Hostname, one.Attempts == 0 ? "" : $"{one.Attempts}",
            Output.Time(one.RequestedAt), Output.Time(one.ExpiresAt),
            one.EndReason is { } reason ? $"{Options.WireName(reason)} {Output.Time(one.EndedAt)}" : "", $"{one.Id}",
        ]);
    }

    private static async Task MoveAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var one = await FindAsync(api, parsed, cancel);
        Show(output, Reply.Content(await api.MoveAsync(one.Id, new MoveRequest(parsed.GetValue(To), parsed.GetValue(From)), cancel)));
    }

    private static async Task ExtendAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var extension = new ExtensionRequest(parsed.GetValue(Until), parsed.GetValue(By));
        if ((extension.ExpiresAt is null) == (extension.By is null))
        {
            throw new CommandException(ExitCode.Refused, extension.By is null ? "Give --by or --until." : "Give either --by or --until, not both.");
        }
        var one = await FindAsync(api, parsed, cancel);
        Show(output, Reply.Content(await api.ExtendAsync(one.Id, extension, $"{Guid.NewGuid()}", cancel)));
    }

    private static async Task ReleaseAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        List<Guid>? ids = null;
        foreach (var who in parsed.GetValue(Whose) ?? [])
        {
            (ids ??= []).Add((await FindAsync(api, who, cancel)).Id);
        }
        var touched = Reply.Content(await api.ReleaseAsync(new AssignmentSelection(
            ids, parsed.GetValue(Pool), parsed.GetValue(State), parsed.GetValue(Hostname), parsed.GetValue(Email),
            parsed.GetValue(Text), parsed.GetValue(All), parsed.GetValue(DryRun)), cancel));
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
        var assignments = await Reply.AllAsync(int.MaxValue, (after, limit) =>
            api.ListAssignmentsAsync(null, null, null, who, null, after, limit, cancel));
        return assignments.Items.Where(one => one.State != AssignmentState.Ended).ToList() switch
        {
            [var one] => one,
            [] => throw new CommandException(
                ExitCode.Refused, $"{who} has no VM and is not queued. To see past assignments, run: allocator assignments list --email {who}"),
            var several => throw new CommandException(ExitCode.Refused, string.Join(Environment.NewLine,
            [
                $"{who} has assignments in several pools. Give the id of one of them:",
                .. several.Select(one => $"  {one.Id}  {one.Pool}  {one.Hostname}"),
            ])),
        };
    }
}
