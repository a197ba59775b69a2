using Allocator.Contracts;

namespace Allocator.Polling;

/// <summary>Reports, once per boot, how long after the machine's start each step of its startup was completed.</summary>
public sealed class StartupTimes
{
    private readonly AllocatorClientOptions _options;
    private readonly StateStore _state;
    private readonly VmReports _reports;
    private readonly TimeProvider _time;
    private readonly long _startedAt;
    private readonly bool _isFirstOfBoot;

    internal StartupTimes(AllocatorClientOptions options, StateStore state, VmReports reports, TimeProvider time)
    {
        (_options, _state, _reports, _time) = (options, state, reports, time);
        _startedAt = time.GetTimestamp();
        // A restart of the client alone says nothing about the machine's startup.
        _isFirstOfBoot = options.Uptime is not null && state.Current.BootId != options.BootId;
        Record("clientStarted");
    }

    /// <summary>Records that a step has been completed now.</summary>
    /// <param name="step">The name of the step: 1–64 printable characters.</param>
    public void Record(string step)
    {
        if (_isFirstOfBoot)
        {
            var seconds = (_options.Uptime!.Value + _time.GetElapsedTime(_startedAt)).TotalSeconds;
            _reports.Report(new VmReport(Startup: new Dictionary<string, double> { [step] = Math.Round(seconds, 1) }));
        }
    }

    /// <summary>Records the first answer of the allocator.</summary>
    internal void RecordAnswer()
    {
        if (_isFirstOfBoot && _state.Current.BootId != _options.BootId)
        {
            Record("answered");
            _state.Update(persisted => persisted with { BootId = _options.BootId });
        }
    }
}
