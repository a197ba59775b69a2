using Microsoft.Extensions.Options;

namespace Allocator.Api.Health;

internal static partial class Draining
{
    /// <summary>
    /// Waits until this replica is asked to stop, and then until load balancers have had time to notice that it is no longer
    /// ready. Otherwise they would send requests into closing connections.
    /// </summary>
    public static async Task UntilDrainedAsync(this WebApplication app)
    {
        var stopping = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = app.Lifetime.ApplicationStopping.Register(stopping.SetResult);
        await stopping.Task;
        var drain = app.Services.GetRequiredService<IOptions<HealthOptions>>().Value.Drain;
        if (drain > TimeSpan.Zero)
        {
            Log.Draining(app.Logger, drain);
            await Task.Delay(drain, app.Services.GetRequiredService<TimeProvider>());
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message =
            "This replica reports that it is not ready, and keeps serving for {Drain} so that load balancers notice")]
        public static partial void Draining(ILogger log, TimeSpan drain);
    }
}
