using System.CommandLine;
using System.Text.Json;
using Allocator.Client.Terminal;
using Allocator.Contracts;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Allocator.Client.Admin;

/// <summary>Implements <c>allocator watch</c>.</summary>
internal static class WatchCommand
{
    /// <summary>The maximum number of queued people, and of events, that are shown.</summary>
    private const int MaxRows = 20;

    private static readonly Argument<string> Name = new("pool") { Description = "The pool's name", DefaultValueFactory = _ => "default" };
    private static readonly Option<TimeSpan?> Every = Options.Duration("--every", "Time between updates; default 2s");

    public static Command Create() => new CliCommand("watch", "Show a pool's VMs, queue and latest events, updated until Ctrl-C",
            "allocator watch", "allocator watch gpu --every 00:00:05", "allocator watch --json | jq .waiting")
        .With(Name, Every).Does(WatchAsync);

    private static async Task WatchAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var name = parsed.GetRequiredValue(Name);
        var every = parsed.GetValue(Every) ?? TimeSpan.FromSeconds(2);
        // The first request must succeed; later outages are shown and waited out.
        var first = await ReadAsync(api, name, cancel);
        try
        {
            if (output.Json || Console.IsOutputRedirected)
            {
                await FollowAsync(first, every, () => ReadAsync(api, name, cancel), view => Console.WriteLine(
                    output.Json ? JsonSerializer.Serialize(view.Pool, WireJson.Default.Pool) : PlainText.MakeVisible(view.Pool.Summary)), cancel);
            }
            else
            {
                var terminal = output.Terminal;
                await terminal.Live(Render(first, terminal)).Cropping(VerticalOverflowCropping.Bottom).StartAsync(live =>
                    FollowAsync(first, every, () => ReadAsync(api, name, cancel), view => live.UpdateTarget(Render(view, terminal)), cancel));
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Ctrl-C is the way to end this command.
        }
    }

    private static async Task FollowAsync(View view, TimeSpan every, Func<Task<View>> read, Action<View> show, CancellationToken cancel)
    {
        while (true)
        {
            show(view);
            await Task.Delay(every, TimeProvider.System, cancel);
            try
            {
                view = await read();
            }
            catch (CommandException e) when (e.Code == ExitCode.Unreachable)
            {
                view = view with { Error = e.Message };
            }
        }
    }

    private static async Task<View> ReadAsync(IAdminApi api, string pool, CancellationToken cancel) => new(
        Reply.Content(await api.FindPoolAsync(pool, cancel)),
        Reply.Content(await api.ListAssignmentsAsync(
            pool, Options.WireName(AssignmentState.Waiting), null, null, null, null, MaxRows, cancel)).Items,
        Reply.Content(await api.ListEventsAsync(
            new Dictionary<string, string> { ["pool"] = pool, ["order"] = "desc" }, null, MaxRows, cancel)).Items,
        null);

    /// <summary>Renders the pool, and as much of the queue and of the events as fits on the terminal.</summary>
    private static Rows Render(View view, IAnsiConsole terminal)
    {
        // Long names wrap, so only the rendered lines show how many rows fit.
        var rows = MaxRows;
        var screen = Render(view, rows);
        while (rows > 0 && CountLines(screen, terminal) >= terminal.Profile.Height)
        {
            screen = Render(view, --rows);
        }
        return screen;
    }

    /// <summary>Counts the lines without the hooks of the terminal, which would add those of the live display.</summary>
    private static int CountLines(IRenderable screen, IAnsiConsole terminal) =>
        Segment.SplitLines(screen.Render(RenderOptions.Create(terminal, terminal.Profile.Capabilities), terminal.Profile.Width)).Count;

    private static Rows Render(View view, int maxRows)
    {
        var parts = new List<IRenderable> { PoolCommands.Render(view.Pool) };
        var (waiting, events) = (view.Waiting.Take(maxRows).ToList(), view.Events.Take(maxRows).ToList());
        if (waiting.Count > 0)
        {
            parts.Add(Output.Table(["PLACE", "WAITING", "SINCE", "EST. WAIT"], waiting.Select(one =>
                new[] { $"{one.Position}", one.Email, Output.Time(one.RequestedAt), Output.Seconds(one.EstimatedWaitSeconds) })));
        }
        if (events.Count > 0)
        {
            parts.Add(Output.Table(["AT", "ACTOR", "ACTION", "VM"], events.Select(one =>
                new[] { Output.Time(one.At), one.Actor, one.Action, one.Hostname })));
        }
        if (view.Error is { } error)
        {
            parts.Add(Output.Cell(error, new Style(Color.Red)));
        }
        return new Rows(parts);
    }

    private sealed record View(Pool Pool, IReadOnlyList<Assignment> Waiting, IReadOnlyList<EventRecord> Events, string? Error);
}
