using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Hooks;

/// <summary>
/// At start, terminates a hook that was still running when the previous client was killed. systemd leaves hooks alone
/// (KillMode=process), because it cannot tell a running hook from a desktop that a hook has left, which must stay.
/// </summary>
internal sealed partial class InterruptedHooks(ClientOptions options, TimeProvider time, ILogger<InterruptedHooks> log) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var processes in HookProcesses.FindOrphaned(options.StateFolder))
        {
            using (processes)
            {
                var left = await processes.TerminateAsync(HookRunner.EndGrace, time);
                Log.Terminated(log, left.Count == 0 ? "no processes remain" : $"processes {string.Join(", ", left)} cannot be ended");
            }
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "Terminated a hook left running by a client that was killed; {Result}")]
        public static partial void Terminated(ILogger log, string result);
    }
}
