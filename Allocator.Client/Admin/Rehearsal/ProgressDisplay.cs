using System.Globalization;
using Spectre.Console;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>Displays the progress of a rehearsal: as bars on a terminal, as lines elsewhere.</summary>
internal sealed class ProgressDisplay(IAnsiConsole terminal, RehearsalPlan plan, Recorder recorder, TimeProvider time)
{
    private static readonly TimeSpan RefreshInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(10);

    private (string Label, int Total, Func<int> Count)[] Counts =>
    [
        ("VMs free", plan.Vms, () => recorder.Free),
        ("People with a VM", plan.Visits, () => recorder.Assigned),
        ("People connected", plan.Visits, () => recorder.Connected),
        ("People done", plan.Visits, () => recorder.Done),
    ];

    /// <summary>Updates the display until the rehearsal has ended, whether it succeeds or throws.</summary>
    public Task ShowAsync(Task rehearsal) => terminal.Profile.Out.IsTerminal ? ShowBarsAsync(rehearsal) : ShowLinesAsync(rehearsal);

    private Task ShowBarsAsync(Task rehearsal) => terminal.Progress()
        .AutoClear(true)
        .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new ElapsedTimeColumn())
        .StartAsync(async bars =>
        {
            var rows = Counts.Select(count => (Bar: bars.AddTask(count.Label, maxValue: count.Total), count)).ToList();
            while (!rehearsal.IsCompleted)
            {
                foreach (var (bar, count) in rows)
                {
                    var now = Math.Min(count.Count(), count.Total);
                    bar.Value = now;
                    bar.Description = string.Create(CultureInfo.InvariantCulture, $"{count.Label,-17}{now,7:N0} / {count.Total:N0}");
                }
                await Task.WhenAny(rehearsal, Task.Delay(RefreshInterval, time));
            }
        });

    private async Task ShowLinesAsync(Task rehearsal)
    {
        while (await Task.WhenAny(rehearsal, Task.Delay(LineInterval, time)) != rehearsal)
        {
            var counts = Counts.Select(count => string.Create(CultureInfo.InvariantCulture, $"{count.Label} {count.Count():N0}/{count.Total:N0}"));
            terminal.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{recorder.Now:hh\\:mm\\:ss}  {string.Join(", ", counts)}"));
        }
    }
}
