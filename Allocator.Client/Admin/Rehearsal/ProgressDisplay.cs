using System.Globalization;
using Spectre.Console;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>Shows a rehearsal while it is played: as bars at a terminal, as lines elsewhere.</summary>
internal sealed class ProgressDisplay(IAnsiConsole terminal, RehearsalPlan plan, Recorder recorder, TimeProvider time)
{
    private static readonly TimeSpan RefreshEvery = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LineEvery = TimeSpan.FromSeconds(10);

    private (string What, int Of, Func<int> Count)[] Counts =>
    [
        ("VMs free", plan.Vms, () => recorder.Free),
        ("People with a VM", plan.Visits, () => recorder.Told),
        ("People connected", plan.Visits, () => recorder.Connected),
        ("People done", plan.Visits, () => recorder.Done),
    ];

    /// <summary>Until it is over, however it ends.</summary>
    public Task ShowAsync(Task play) => terminal.Profile.Out.IsTerminal ? BarsAsync(play) : LinesAsync(play);

    private Task BarsAsync(Task play) => terminal.Progress()
        .AutoClear(true)
        .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new ElapsedTimeColumn())
        .StartAsync(async bars =>
        {
            var shown = Counts.Select(count => (Bar: bars.AddTask(count.What, maxValue: count.Of), count)).ToList();
            while (!play.IsCompleted)
            {
                foreach (var (bar, count) in shown)
                {
                    var now = Math.Min(count.Count(), count.Of);
                    bar.Value = now;
                    bar.Description = string.Create(CultureInfo.InvariantCulture, $"{count.What,-24}{now,9:N0} / {count.Of:N0}");
                }
                await Task.WhenAny(play, Task.Delay(RefreshEvery, time));
            }
        });

    private async Task LinesAsync(Task play)
    {
        while (await Task.WhenAny(play, Task.Delay(LineEvery, time)) != play)
        {
            terminal.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{recorder.Now:hh\\:mm\\:ss}  ")
                + string.Join(", ", Counts.Select(count => string.Create(CultureInfo.InvariantCulture, $"{count.What} {count.Count():N0}/{count.Of:N0}"))));
        }
    }
}
