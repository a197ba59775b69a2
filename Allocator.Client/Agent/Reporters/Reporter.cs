using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Reporters;

/// <summary>Looks at one thing of the VM at once and then regularly, not all VMs at the same moment, and says what it sees.</summary>
internal abstract partial class Reporter(TimeSpan interval, TimeProvider time, Random random, ILogger log) : BackgroundService
{
    /// <returns>Whether there will be something to see again.</returns>
    protected abstract Task<bool> LookAsync(CancellationToken cancel);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (await TryToLookAsync(stoppingToken))
            {
                await Task.Delay(interval * (0.9 + (0.2 * random.NextDouble())), time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async Task<bool> TryToLookAsync(CancellationToken cancel)
    {
        try
        {
            return await LookAsync(cancel);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            // The polls go on, whatever is wrong with what is looked at.
            Log.Failed(log, GetType().Name, e);
            return true;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{Reporter} could not look; it will again")]
        public static partial void Failed(ILogger log, string reporter, Exception error);
    }
}
