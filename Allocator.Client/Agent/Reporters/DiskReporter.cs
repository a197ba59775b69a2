using System.Globalization;
using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Reporters;

/// <summary>Warns of a disk that is nearly full.</summary>
internal sealed partial class DiskReporter(ClientOptions options, VmReports reports, TimeProvider time, Random random, ILogger<DiskReporter> log)
    : Reporter(TimeSpan.FromMinutes(1), time, random, log)
{
    private bool _isFull;

    protected override Task<bool> LookAsync(CancellationToken cancel)
    {
        var disk = new DriveInfo(options.DiskPath);
        // As df counts: what is kept for root is neither used nor left.
        var used = disk.TotalSize - disk.TotalFreeSpace;
        var percent = 100.0 * used / Math.Max(1, used + disk.AvailableFreeSpace);
        // A point of slack, so that a disk at the limit is not warned of with every other look.
        var isFull = percent > options.DiskWarnAbove - (_isFull ? 1 : 0);
        var words = isFull ? string.Create(CultureInfo.InvariantCulture, $"{options.DiskPath} is more than {options.DiskWarnAbove} % full") : null;
        reports.Report(new VmReport(Warnings: new Dictionary<string, string?> { ["disk"] = words }));
        if (isFull != _isFull)
        {
            _isFull = isFull;
            Log.Sees(log, options.DiskPath, percent);
        }
        return Task.FromResult(true);
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} is {Percent:0} % full")]
        public static partial void Sees(ILogger log, string path, double percent);
    }
}
