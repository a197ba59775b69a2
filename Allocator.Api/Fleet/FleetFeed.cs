using Allocator.Api.Settings;
using Allocator.Api.Data;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Fleet;

/// <summary>Keeps the fleet true: loads it once, then asks again and again what changed.</summary>
internal sealed partial class FleetFeed(
    VmFleet fleet,
    FleetStore store,
    Migrator migrator,
    FleetMetrics signals,
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
                // It is wrong, and stays so. Once the fleet is loaded it was right and has been changed: polls need none.
                Log.PasswordRefused(log, SettingProblems.Name("Database:Password"), SettingProblems.Name("Database:ConnectionString"), e.Message);
                throw;
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException && !stoppingToken.IsCancellationRequested)
            {
                signals.NotFed();
                // Once, not with each attempt: an outage must not fill the disk with its own description.
                if (failures++ == 0)
                {
                    Log.DatabaseAway(log, fleet.IsLoaded ? "Polls go on being answered from memory" : "Not ready yet", e.Message);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
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
            // Transaction numbers never go back, so this is another database, such as a restored backup.
            Log.DatabaseReplaced(log);
            await LoadAsync(cancel);
            return;
        }
        _cursor = next;
        signals.Fed(started, vms);
    }

    private async Task LoadAsync(CancellationToken cancel)
    {
        var started = time.GetTimestamp();
        var (picture, cursor) = await store.LoadAsync(cancel);
        fleet.Replace(picture);
        _cursor = cursor;
        signals.Fed(started, fleet.Count);
        Log.Loaded(log, fleet.Count, time.GetElapsedTime(started));
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "The fleet is loaded: {Count} VMs in {Elapsed}")]
        public static partial void Loaded(ILogger log, int count, TimeSpan elapsed);

        [LoggerMessage(Level = LogLevel.Warning, Message = "The database is away. {Consequence}. {Error}")]
        public static partial void DatabaseAway(ILogger log, string consequence, string error);

        [LoggerMessage(Level = LogLevel.Critical, Message = "The database refuses the password, which is in {Password} or {ConnectionString}: {Error}")]
        public static partial void PasswordRefused(ILogger log, string password, string connectionString, string error);

        [LoggerMessage(Level = LogLevel.Warning, Message = "The database is back after {Failures} failed attempts")]
        public static partial void Recovered(ILogger log, int failures);

        [LoggerMessage(Level = LogLevel.Warning, Message = "The database was replaced by an older one: loading the fleet again")]
        public static partial void DatabaseReplaced(ILogger log);
    }
}
