using System.CommandLine;
using System.Text.Json;
using Allocator.Client.Terminal;
using Allocator.Contracts;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Allocator.Client.Admin;

/// <summary><c>allocator watch</c>: a pool, live, until stopped.</summary>
internal static class WatchCommand
{
    private const int Lines = 8;

    private static readonly Argument<string> Name = new("pool") { Description = "The pool", DefaultValueFactory = _ => "default" };
    private static readonly Option<TimeSpan?> Every = Options.Duration("--every", "How often to look; 2 s if absent");

    public static Command Create() => new CliCommand("watch", "A pool, live, until Ctrl-C: its VMs, who waits, what has just happened",
            "allocator watch", "allocator watch gpu --every 00:00:05", "allocator watch --json | jq .waiting")
        .With(Name, Every).Does(WatchAsync);

    private static async Task WatchAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var name = parsed.GetRequiredValue(Name);
        var every = parsed.GetValue(Every) ?? TimeSpan.FromSeconds(2);
        // What is wrong from the start is an error; what goes wrong later is waited out.
        var first = await LookAsync(api, name, cancel);
        try
        {
            if (output.Json || Console.IsOutputRedirected)
            {
                await FollowAsync(first, every, () => LookAsync(api, name, cancel), view =>
                    Console.WriteLine(output.Json ? JsonSerializer.Serialize(view.Pool, WireJson.Default.Pool) : view.Pool.Summary), cancel);
            }
            else
            {
                await output.Terminal.Live(Render(first, null)).StartAsync(live => FollowAsync(first, every, () => LookAsync(api, name, cancel), view =>
                {
                    live.UpdateTarget(Render(view, view.Trouble));
                    live.Refresh();
                }, cancel));
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // This is how one stops watching.
        }
    }

    private static async Task FollowAsync(View view, TimeSpan every, Func<Task<View>> look, Action<View> show, CancellationToken cancel)
    {
        while (true)
        {
            show(view);
            await Task.Delay(every, TimeProvider.System, cancel);
            try
            {
                view = await look();
            }
            catch (CommandException e) when (e.Code == ExitCode.Unreachable)
            {
                view = view with { Trouble = e.Message };
            }
        }
    }

    private static async Task<View> LookAsync(IAdminApi api, string pool, CancellationToken cancel) => new(
        Reply.Content(await api.FindPoolAsync(pool, cancel)),
        Reply.Content(await api.ListAssignmentsAsync(pool, Options.WireName(AssignmentState.Waiting), null, null, null, null, Lines, cancel)).Items,
        Reply.Content(await api.ListEventsAsync(null, null, null, pool, null, null, null, null, "desc", null, Lines, cancel)).Items,
        null);

    private static Rows Render(View view, string? trouble)
    {
        var parts = new List<IRenderable> { PoolCommands.Render(view.Pool) };
        if (view.Waiting.Count > 0)
        {
            parts.Add(Output.Table(["PLACE", "WAITING", "SINCE", "ABOUT"], view.Waiting.Select(one =>
                new[] { $"{one.Position}", one.Email, Output.Time(one.RequestedAt), Output.Seconds(one.EstimatedWaitSeconds) })));
        }
        parts.Add(Output.Table(["AT", "WHO", "WHAT", "VM"], view.Events.Select(one => new[] { Output.Time(one.At), one.Actor, one.Action, one.Hostname })));
        if (trouble is not null)
        {
            parts.Add(new Text(trouble, new Style(Color.Red)));
        }
        return new Rows(parts);
    }

    private sealed record View(Pool Pool, IReadOnlyList<Assignment> Waiting, IReadOnlyList<EventRecord> Events, string? Trouble);
}
