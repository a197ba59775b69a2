using Allocator.Api.Data;
using Allocator.Api.Web;
using Allocator.Contracts.Settings;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Fleet;

/// <summary>Keeps the fleet up to date: loads it once, then reads at every interval what changed.</summary>
internal sealed partial class FleetFeed(
    VmFleet fleet,
    FleetStore store,
    Migrator migrator,
    FleetMetrics metrics,
    IOptions<FleetOptions> options,
    TimeProvider time,
    ILogger<FleetFeed> log) : BackgroundService
{
    private static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(5);

    private ulong? _cursor;
    private bool _migrated;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var failures = 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await RunOnceAsync(stoppingToken);
                if (failures > 0)
                {
                    Log.Recovered(log, failures);
                    failures = 0;
                }
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidPassword && !fleet.IsLoaded)
            {
                // The setting is wrong, so the process stops. After the fleet was loaded the password was right and has been
                // changed since: polls are still answered.
                Log.PasswordRefused(log, SettingDefinition.Name("Database:Password"), SettingDefinition.Name("Database:ConnectionString"), e.Message);
                throw;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            // Before the fleet is loaded, other exceptions stop the process: the schema cannot be used or migrated.
            catch (Exception e) when (!stoppingToken.IsCancellationRequested && (e is NpgsqlException or TimeoutException || fleet.IsLoaded))
            {
                metrics.NotFed();
                // Logged once and not at each attempt, so that an outage does not fill the disk.
                if (failures++ == 0)
                {
                    LogFailure(e);
                }
            }
            var pause = options.Value.FeedInterval * Math.Pow(2, Math.Min(failures, 8));
            await Task.Delay(pause < MaxPause ? pause : MaxPause, time, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task RunOnceAsync(CancellationToken cancel)
    {
        if (!_migrated)
        {
            await migrator.EnsureAsync(cancel);
            _migrated = true;
        }
        if (_cursor is not { } cursor)
        {
            await LoadAsync(cancel);
            return;
        }
        var started = time.GetTimestamp();
        var (next, vms) = await store.ReadChangesAsync(cursor, fleet, cancel);
        if (next < cursor)
        {
            // Transaction ids never decrease, so this is another database, such as a restored backup.
            Log.DatabaseReplaced(log);
            await LoadAsync(cancel);
            return;
        }
        _cursor = next;
        metrics.Fed(started, vms);
    }

    private async Task LoadAsync(CancellationToken cancel)
    {
        var started = time.GetTimestamp();
        var (snapshot, cursor) = await store.LoadAsync(cancel);
        fleet.Replace(snapshot);
        _cursor = cursor;
        metrics.Fed(started, fleet.Count);
        Log.Loaded(log, fleet.Count, time.GetElapsedTime(started));
    }

    private void LogFailure(Exception e)
    {
        var consequence = fleet.IsLoaded ? "Polls are still answered from memory" : "This replica is not ready yet";
        if (Outage.IsTransient(e))
        {
            Log.DatabaseAway(log, consequence, e.Message);
        }
        else
        {
            Log.Failed(log, e, consequence);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "The fleet is loaded: {Count} VMs in {Elapsed}")]
        public static partial void Loaded(ILogger log, int count, TimeSpan elapsed);

        [LoggerMessage(Level = LogLevel.Warning, Message = "The database is unavailable. {Consequence}. {Error}")]
        public static partial void DatabaseAway(ILogger log, string consequence, string error);

        [LoggerMessage(Level = LogLevel.Error, Message = "The fleet cannot be read. {Consequence}; every interval tries again")]
        public static partial void Failed(ILogger log, Exception error, string consequence);

        [LoggerMessage(Level = LogLevel.Critical, Message = "The database refuses the password in {Password} or {ConnectionString}: {Error}")]
        public static partial void PasswordRefused(ILogger log, string password, string connectionString, string error);

        [LoggerMessage(Level = LogLevel.Warning, Message = "The database is available again after {Failures} failed attempts")]
        public static partial void Recovered(ILogger log, int failures);

        [LoggerMessage(Level = LogLevel.Warning, Message = "The database was replaced by an older one; the fleet is loaded again")]
        public static partial void DatabaseReplaced(ILogger log);
    }
}
