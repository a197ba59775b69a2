using Allocator.Api.Data;
using Allocator.Api.Events;
using Npgsql;

namespace Allocator.Api.Maintenance;

/// <summary>Removes rows that have been kept for long enough, in small batches so that no other statement waits for long.</summary>
/// <param name="delete">Deletes at most <c>$2</c> rows that are older than <c>$1</c>.</param>
internal abstract class RetentionJob(string name, NpgsqlDataSource database, string delete, TimeSpan keptFor, int batchSize) : MaintenanceJob(name)
{
    /// <summary>Rows that are kept for days need not be looked for at every interval, unless the last batch was full.</summary>
    private const int IntervalsBetweenRuns = 12;

    private int _intervalsToWait;

    public override bool IsDue() => --_intervalsToWait <= 0;

    public override async Task RunAsync(CancellationToken cancel)
    {
        await using var batch = database.Batch((EventStore.AllowDeletion, []), (delete, [keptFor, batchSize]));
        _intervalsToWait = await batch.ExecuteNonQueryAsync(cancel) >= batchSize ? 1 : IntervalsBetweenRuns;
    }
}
