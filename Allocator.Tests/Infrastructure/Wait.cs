using System.Diagnostics;
using Xunit;

namespace Allocator.Tests.Infrastructure;

/// <summary>Waits for conditions instead of fixed times.</summary>
internal static class Wait
{
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    public static Task UntilAsync(Func<bool> condition, string what, TimeSpan? timeout = null) =>
        UntilAsync(() => Task.FromResult(condition()), what, timeout);

    public static Task UntilAsync(Func<Task<bool>> condition, string what, TimeSpan? timeout = null) =>
        ForAsync(async () => await condition() ? "" : null, what, timeout);

    /// <summary>Repeats the attempt until its result is not null, and returns that result.</summary>
    public static async Task<T> ForAsync<T>(Func<Task<T?>> attempt, string what, TimeSpan? timeout = null)
        where T : class
    {
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < (timeout ?? DefaultTimeout))
        {
            if (await attempt() is { } result)
            {
                return result;
            }
            await PauseAsync();
        }
        throw new TimeoutException($"Timed out after {timeout ?? DefaultTimeout} waiting until {what}.");
    }

    /// <summary>
    /// Repeats the assertions until they pass, for what becomes true only after the reply, such as a metric. At the timeout
    /// the failure of the last attempt is the failure of the test.
    /// </summary>
    public static async Task UntilPassesAsync(Func<Task> assertions)
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                await assertions();
                return;
            }
            catch (Exception) when (Stopwatch.GetElapsedTime(started) < DefaultTimeout)
            {
                await PauseAsync();
            }
        }
    }

    private static Task PauseAsync() => Task.Delay(Pause, TimeProvider.System, TestContext.Current.CancellationToken);
}
