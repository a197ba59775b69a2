using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Reporters;

/// <summary>Observes one fact of the VM at start and then at a jittered interval, and reports it.</summary>
internal abstract partial class Reporter(TimeSpan interval, TimeProvider time, Random random, ILogger log) : BackgroundService
{
    /// <returns>False if there is nothing more to observe.</returns>
    protected abstract Task<bool> ObserveAsync(CancellationToken cancel);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (await TryObserveAsync(stoppingToken))
            {
                await Task.Delay(interval * (0.9 + (0.2 * random.NextDouble())), time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async Task<bool> TryObserveAsync(CancellationToken cancel)
    {
        try
        {
            return await ObserveAsync(cancel);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            // A failing reporter must not stop the polls.
            Log.Failed(log, GetType().Name, e);
            return true;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{Reporter} failed; it will try again")]
        public static partial void Failed(ILogger log, string reporter, Exception error);
    }
}
