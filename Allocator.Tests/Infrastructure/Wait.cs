using System.Diagnostics;
using Xunit;

namespace Allocator.Tests.Infrastructure;

/// <summary>Waits for a condition instead of for a time.</summary>
internal static class Wait
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    public static Task UntilAsync(Func<bool> condition, string what, TimeSpan? patience = null) =>
        UntilAsync(() => Task.FromResult(condition()), what, patience);

    public static Task UntilAsync(Func<Task<bool>> condition, string what, TimeSpan? patience = null) =>
        ForAsync(async () => await condition() ? "" : null, what, patience);

    /// <summary>The first result that is not null.</summary>
    public static async Task<T> ForAsync<T>(Func<Task<T?>> attempt, string what, TimeSpan? patience = null)
        where T : class
    {
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < (patience ?? Deadline))
        {
            if (await attempt() is { } result)
            {
                return result;
            }
            await Task.Delay(Pause, TimeProvider.System, TestContext.Current.CancellationToken);
        }
        throw new TimeoutException($"Within {patience ?? Deadline} it did not come true that {what}.");
    }
}
