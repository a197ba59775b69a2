using System.Globalization;
using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Reporters;

/// <summary>Reports a warning while a disk is nearly full.</summary>
internal sealed partial class DiskReporter(ClientOptions options, VmReports reports, TimeProvider time, Random random, ILogger<DiskReporter> log)
    : Reporter(TimeSpan.FromMinutes(1), time, random, log)
{
    private bool _isFull;

    protected override Task<bool> ObserveAsync(CancellationToken cancel)
    {
        var disk = new DriveInfo(options.DiskPath);
        // As df does: space reserved for root counts neither as used nor as free.
        var used = disk.TotalSize - disk.TotalFreeSpace;
        var percent = 100.0 * used / Math.Max(1, used + disk.AvailableFreeSpace);
        // One percentage point of hysteresis, so that a disk at the limit does not toggle the warning.
        var isFull = percent > options.DiskWarnAbove - (_isFull ? 1 : 0);
        var warning = isFull ? string.Create(CultureInfo.InvariantCulture, $"{options.DiskPath} is more than {options.DiskWarnAbove} % full") : null;
        reports.Report(new VmReport(Warnings: new Dictionary<string, string?> { ["disk"] = warning }));
        if (isFull != _isFull)
        {
            _isFull = isFull;
            Log.Changed(log, options.DiskPath, percent);
        }
        return Task.FromResult(true);
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} is {Percent:0} % full")]
        public static partial void Changed(ILogger log, string path, double percent);
    }
}
