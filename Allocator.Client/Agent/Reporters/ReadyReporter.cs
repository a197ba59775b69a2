using Allocator.Client.Agent.Processes;
using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Reporters;

/// <summary>Reports the VM as initializing until a file exists and a command succeeds.</summary>
internal sealed partial class ReadyReporter : Reporter
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private readonly ClientOptions _options;
    private readonly VmReports _reports;
    private readonly StartupTimes _startup;
    private readonly ProgramRunner _programs;
    private readonly ILogger<ReadyReporter> _log;
    private string? _logged;

    public ReadyReporter(
        ClientOptions options, VmReports reports, StartupTimes startup, ProgramRunner programs, TimeProvider time, Random random,
        ILogger<ReadyReporter> log)
        : base(TimeSpan.FromSeconds(5), time, random, log)
    {
        (_options, _reports, _startup, _programs, _log) = (options, reports, startup, programs, log);
        // Set before the first report, which would otherwise say that the VM is running.
        reports.Report(new VmReport(VmStatus.Initializing));
    }

    protected override async Task<bool> ObserveAsync(CancellationToken cancel)
    {
        if (await NotReadyAsync(cancel) is { } why)
        {
            _reports.Report(new VmReport(Warnings: new Dictionary<string, string?> { ["ready"] = why }));
            if (why != _logged)
            {
                _logged = why;
                Log.NotReady(_log, why);
            }
            return true;
        }
        _reports.Report(new VmReport(VmStatus.Running, Warnings: new Dictionary<string, string?> { ["ready"] = null }));
        _startup.Record("ready");
        Log.Ready(_log);
        return false;
    }

    private async Task<string?> NotReadyAsync(CancellationToken cancel)
    {
        if (_options.ReadyFile is { } file && !File.Exists(file))
        {
            return $"not ready: {file} does not exist yet";
        }
        if (_options.ReadyCommand.Count > 0
            && await _programs.RunAsync(_options.ReadyCommand, Timeout, cancel) is { Failure: { } failure } result)
        {
            return result.Summary() is { Length: > 0 } output ? $"not ready: {failure}: {output}" : $"not ready: {failure}";
        }
        return null;
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "The VM is {Why}")]
        public static partial void NotReady(ILogger log, string why);

        [LoggerMessage(Level = LogLevel.Information, Message = "The VM is ready")]
        public static partial void Ready(ILogger log);
    }
}
