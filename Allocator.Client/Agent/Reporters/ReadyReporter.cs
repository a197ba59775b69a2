using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Reporters;

/// <summary>Says that the VM is ready for people once a file is there and a program says so.</summary>
internal sealed partial class ReadyReporter : Reporter
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private readonly ClientOptions _options;
    private readonly VmReports _reports;
    private readonly StartupTimes _startup;
    private readonly Programs _programs;
    private readonly ILogger<ReadyReporter> _log;
    private string? _told;

    public ReadyReporter(
        ClientOptions options, VmReports reports, StartupTimes startup, Programs programs, TimeProvider time, Random random, ILogger<ReadyReporter> log)
        : base(TimeSpan.FromSeconds(5), time, random, log)
    {
        (_options, _reports, _startup, _programs, _log) = (options, reports, startup, programs, log);
        // Before the first report goes out, which else would say that it runs.
        reports.Report(new VmReport(VmStatus.Initializing));
    }

    protected override async Task<bool> LookAsync(CancellationToken cancel)
    {
        if (await NotReadyAsync(cancel) is { } why)
        {
            _reports.Report(new VmReport(Warnings: new Dictionary<string, string?> { ["ready"] = why }));
            if (why != _told)
            {
                _told = why;
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
            return $"not ready: there is no {file} yet";
        }
        if (_options.ReadyCommand.Count > 0 && await _programs.AskAsync(_options.ReadyCommand, Timeout, cancel) is { Failure: { } failure } answer)
        {
            return answer.Words() is { Length: > 0 } said ? $"not ready: {failure}: {said}" : $"not ready: {failure}";
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
