using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Hooks;

/// <summary>
/// Ends, before the client does anything, a hook that ran when the client before it was killed outright. systemd leaves
/// hooks alone (KillMode=process): it cannot tell one that is at work from a desktop that one has left, which is to stay.
/// </summary>
internal sealed partial class InterruptedHooks(ClientOptions options, TimeProvider time, ILogger<InterruptedHooks> log) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var processes in HookProcesses.LeftBehind(options.StateFolder))
        {
            using (processes)
            {
                var left = await processes.EndAsync(HookRunner.EndGrace, time);
                Log.Ended(log, left.Count == 0 ? "Nothing of it is left." : $"Of its processes, {string.Join(", ", left)} cannot be ended.");
            }
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "A hook ran when the client was killed, and is ended. {Left}")]
        public static partial void Ended(ILogger log, string left);
    }
}
