using Allocator.Client.Agent.Processes;
using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Reporters;

/// <summary>Reports whether NVIDIA's driver can reach the GPU.</summary>
internal sealed partial class GpuReporter(
    ClientOptions options, VmReports reports, ProgramRunner programs, TimeProvider time, Random random, ILogger<GpuReporter> log)
    : Reporter(options.GpuInterval, time, random, log)
{
    /// <summary>A driver that hangs counts as an unhealthy GPU.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    private readonly string[] _command = [options.GpuProgram, "--query-gpu=name", "--format=csv,noheader"];
    private GpuHealth? _reported;

    protected override async Task<bool> ObserveAsync(CancellationToken cancel)
    {
        var result = await programs.RunAsync(_command, Timeout, cancel);
        var (health, text) = result switch
        {
            { IsMissing: true } => (GpuHealth.Absent, $"there is no {options.GpuProgram}"),
            { Failure: null } when result.Summary() is { Length: > 0 } name => (GpuHealth.Healthy, name),
            { Failure: null } => (GpuHealth.Unhealthy, $"{options.GpuProgram} lists no GPU"),
            { Failure: var failure } => (GpuHealth.Unhealthy, result.Summary() is { Length: > 0 } output ? $"{failure}: {output}" : failure),
        };
        var warnings = new Dictionary<string, string?> { ["gpu"] = health == GpuHealth.Unhealthy ? text : null };
        reports.Report(new VmReport(Gpu: health, Warnings: warnings));
        if (health != _reported)
        {
            _reported = health;
            Log.HealthChanged(log, health, text);
        }
        return true;
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "The GPU is {Health}: {Detail}")]
        public static partial void HealthChanged(ILogger log, GpuHealth health, string? detail);
    }
}
