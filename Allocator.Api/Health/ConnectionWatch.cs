using Allocator.Api.Data;
using Allocator.Contracts;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Health;

/// <summary>
/// Knows how the server fares with connections, also when there is none left to ask it by: reads it four times a minute
/// and on demand, one reading at a time, and keeps the last one.
/// </summary>
internal sealed class ConnectionWatch(ConnectionStore store, IOptions<DatabaseOptions> options, TimeProvider time) : BackgroundService
{
    private const double WarningPercent = 80;
    private const double CriticalPercent = 90;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private Task<ConnectionHealth>? _underway;
    private volatile Dated? _last;

    /// <summary>Asks the server. Those who ask at once share one reading, and with it one connection.</summary>
    public Task<ConnectionHealth> ReadAsync()
    {
        lock (_gate)
        {
            return _underway is { IsCompleted: false } ? _underway : _underway = ReadOnceAsync();
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            do
            {
                await ReadAsync();
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async Task<ConnectionHealth> ReadOnceAsync()
    {
        using var patience = new CancellationTokenSource(Patience, time);
        try
        {
            var read = new Dated(await store.ReadAsync(patience.Token), time.GetUtcNow());
            _last = read;
            return Describe(read);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.TooManyConnections)
        {
            return Unavailable($"The server has no connection left: {e.MessageText}.") with { Critical = true };
        }
        catch (Exception e) when (e is OperationCanceledException or NpgsqlException { InnerException: TimeoutException })
        {
            return Unavailable($"Within {Patience.TotalSeconds:0} s none of this replica's {options.Value.PoolSize} connections was free, or the server did not answer.");
        }
        catch (NpgsqlException e)
        {
            return Unavailable($"The database cannot be asked: {e.Message}");
        }
    }

    private ConnectionHealth Unavailable(string why) =>
        (_last is { } last ? Describe(last) : Nothing) with { Status = ConnectionStatus.Unavailable, Detail = why };

    private ConnectionHealth Nothing => new()
    {
        Status = ConnectionStatus.Unavailable,
        Warning = false,
        Critical = false,
        ByState = new Dictionary<string, int>(),
        ByApplication = new Dictionary<string, int>(),
        PoolSize = options.Value.PoolSize,
    };

    private ConnectionHealth Describe(Dated read)
    {
        var (reading, at) = read;
        var usable = reading.Max - reading.Reserved;
        var utilization = Percent(reading.Active, reading.Max);
        // On a small server the reserved ones weigh more than a tenth: it is full before it is at 90 %.
        var critical = utilization > CriticalPercent || reading.Active >= usable;
        var warning = utilization > WarningPercent || critical;
        var budget = reading.Replicas * options.Value.PoolSize;
        return new ConnectionHealth
        {
            Status = critical ? ConnectionStatus.Critical : warning ? ConnectionStatus.Warning : ConnectionStatus.Healthy,
            ActiveConnections = reading.Active,
            ListenConnections = reading.Listening,
            MaxConnections = reading.Max,
            UtilizationPercent = utilization,
            Warning = warning,
            Critical = critical,
            ReservedConnections = reading.Reserved,
            ByState = reading.ByState,
            ByApplication = reading.ByApplication,
            ReplicasSeen = reading.Replicas,
            PoolSize = options.Value.PoolSize,
            ConnectionBudget = budget,
            BudgetPercent = Percent(budget, usable),
            ReadAt = at,
            AgeSeconds = Math.Round((time.GetUtcNow() - at).TotalSeconds, 3),
            Detail = warning ? $"{reading.Active} of {reading.Max} connections are taken, and {reading.Reserved} are reserved."
                : budget > usable ? $"{reading.Replicas} replicas with {options.Value.PoolSize} connections each can take more than the {usable} there are."
                : null,
        };
    }

    private static double Percent(int part, int whole) => Math.Round(100.0 * part / whole, 1);

    private sealed record Dated(ConnectionReading Reading, DateTimeOffset At);
}
