using Allocator.Api.Health;

namespace Allocator.Api;

/// <summary>Runs a replica from its start to its end.</summary>
internal static class ReplicaLifetime
{
    /// <returns>The exit code: 1 if a background worker failed, which stops the program, even before the start was complete.</returns>
    public static async Task<int> RunUntilStoppedAsync(this WebApplication app)
    {
        var workers = app.Services.GetServices<IHostedService>().OfType<BackgroundService>().ToArray();
        try
        {
            await using (app)
            {
                await app.StartAsync();
                await app.UntilDrainedAsync();
                await app.StopAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // The program was asked to stop before it had started.
        }
        return workers.Any(worker => worker.ExecuteTask is { IsFaulted: true }) ? 1 : 0;
    }
}
