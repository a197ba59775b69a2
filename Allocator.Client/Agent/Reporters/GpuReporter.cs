using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Reporters;

/// <summary>Asks NVIDIA's driver whether the GPU answers.</summary>
internal sealed partial class GpuReporter(
    ClientOptions options, VmReports reports, Programs programs, TimeProvider time, Random random, ILogger<GpuReporter> log)
    : Reporter(options.GpuInterval, time, random, log)
{
    /// <summary>A driver that hangs is a GPU that does not answer.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    private readonly string[] _command = [options.GpuProgram, "--query-gpu=name", "--format=csv,noheader"];
    private GpuHealth? _said;

    protected override async Task<bool> LookAsync(CancellationToken cancel)
    {
        var answer = await programs.AskAsync(_command, Timeout, cancel);
        var (health, words) = answer switch
        {
            { IsMissing: true } => (GpuHealth.Absent, $"there is no {options.GpuProgram}"),
            { Failure: null } when answer.Words() is { Length: > 0 } name => (GpuHealth.Healthy, name),
            { Failure: null } => (GpuHealth.Unhealthy, $"{options.GpuProgram} names no GPU"),
            { Failure: var failure } => (GpuHealth.Unhealthy, answer.Words() is { Length: > 0 } said ? $"{failure}: {said}" : failure),
        };
        reports.Report(new VmReport(Gpu: health, Warnings: new Dictionary<string, string?> { ["gpu"] = health == GpuHealth.Unhealthy ? words : null }));
        if (health != _said)
        {
            _said = health;
            Log.Sees(log, health, words);
        }
        return true;
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "The GPU is {Health}: {Words}")]
        public static partial void Sees(ILogger log, GpuHealth health, string? words);
    }
}
