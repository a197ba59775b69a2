using System.CommandLine;
using Allocator.Client.Terminal;
using Allocator.Contracts;

namespace Allocator.Client.Admin;

/// <summary>Implements <c>allocator events …</c>.</summary>
internal static class EventCommands
{
    private static readonly string[] Columns = ["AT", "ACTOR", "ACTION", "POOL", "VM", "ASSIGNMENT", "DETAIL"];

    private static readonly Option<string?> Hostname = Options.Text("--hostname", "Select events of this VM", "hostname");
    private static readonly Option<string?> Assignment = Options.Text("--assignment", "Select events of this assignment", "id");
    private static readonly Option<string?> Email = Options.Text("--email", "Select events of this person", "email");
    private static readonly Option<string?> Pool = Options.Text("--pool", "Select events in this pool", "pool");
    private static readonly Option<string?> Actor = Options.Text(
        "--actor", "Select events caused by this actor: person, vm:<hostname>, admin:<name> or allocator", "actor");
    private static readonly Option<string?> Action = CreateAction();
    private static readonly Option<DateTime?> Since = Options.Time("--since", "Select events at or after this time");
    private static readonly Option<DateTime?> Until = Options.Time("--until", "Select events before this time");
    private static readonly Option<bool> Newest = new("--newest") { Description = "Show the newest events first" };
    private static readonly Option<int> Limit = Options.Limit("events");

    public static Command Create() => new CliCommand("events", "List events: who did what, and when",
            "allocator events list --newest --limit 20", "allocator events list --email ada@example.org")
        .With(new CliCommand("list", "List events, oldest first. Filters are combined with AND.",
                "allocator events list --newest --limit 20", "allocator events list --email ada@example.org",
                "allocator events list --hostname vm-7 --since 09:00", "allocator events list --action requeued --json")
            .With(Hostname, Assignment, Email, Pool, Actor, Action, Since, Until, Newest, Limit).Does(ListAsync));

    private static Option<string?> CreateAction()
    {
        var option = Options.Text("--action", "Select events of this kind, such as requested, moved or vm_lost", "action");
        option.CompletionSources.Add([.. EventActions.All.Select(action => action.Name)]);
        return option;
    }

    private static string?[] Row(EventRecord one) =>
    [
        Output.Time(one.At), one.Actor, one.Action, one.Pool, one.Hostname, $"{one.AssignmentId}",
        one.Detail.GetRawText() is var detail and not "{}" ? detail : "",
    ];

    private static async Task ListAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var filter = new Dictionary<string, string>();
        foreach (var option in new[] { Hostname, Assignment, Email, Pool, Actor, Action })
        {
            Add(option.Name.TrimStart('-'), parsed.GetValue(option));
        }
        Add("since", Options.Instant(parsed.GetValue(Since)));
        Add("until", Options.Instant(parsed.GetValue(Until)));
        Add("order", parsed.GetValue(Newest) ? "desc" : null);
        var page = await Reply.AllAsync(parsed.GetValue(Limit), (after, limit) => api.ListEventsAsync(filter, after, limit, cancel));
        output.ShowList(page, WireJson.Default.PageEventRecord, Columns, Row);

        void Add(string name, string? value)
        {
            if (value is not null)
            {
                filter.Add(name, value);
            }
        }
    }
}
