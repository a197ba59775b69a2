using System.Diagnostics.Metrics;
using Allocator.Api.Data;
using Allocator.Api.Telemetry;
using Allocator.Contracts;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Health;

/// <summary>
/// Watches the connections of the server: reads them four times a minute and on demand, one reading at a time, and keeps
/// the last reading for when no connection is left.
/// </summary>
internal sealed partial class ConnectionWatch : BackgroundService
{
    private const double WarningPercent = 80;
    private const double CriticalPercent = 90;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    private readonly ConnectionStore _store;
    private readonly TimeProvider _time;
    private readonly ILogger<ConnectionWatch> _log;
    private readonly int _poolSize;
    private readonly Lock _gate = new();
    private Task<ConnectionHealth>? _underway;
    private volatile Dated? _last;

    public ConnectionWatch(
        ConnectionStore store, IOptions<DatabaseOptions> options, IMeterFactory meters, TimeProvider time, ILogger<ConnectionWatch> log)
    {
        (_store, _time, _log, _poolSize) = (store, time, log, options.Value.PoolSize);
        var meter = meters.Create(Instrumentation.Name);
        Gauge("allocator.server.connections", reading => reading.Active, "Client connections of the whole database server at the last reading");
        Gauge("allocator.server.connections.max", reading => reading.Max, "Maximum number of connections of the database server");
        Gauge("allocator.server.connections.reserved", reading => reading.Reserved, "Connections for superusers and reserved roles only");
        Gauge("allocator.server.connections.budget", reading => reading.Replicas * _poolSize, "Maximum number of connections of all replicas");
        meter.CreateObservableGauge(
            "allocator.server.connections.age",
            () => _last is { } last ? [new((time.GetUtcNow() - last.At).TotalSeconds)] : Array.Empty<Measurement<double>>(),
            "s", "Age of the last reading");

        void Gauge(string name, Func<ConnectionReading, int> value, string description) =>
            meter.CreateObservableGauge(name, () => Last(value), "{connection}", description);
    }

    /// <summary>Reads the connections. Concurrent calls share one reading, and thus one connection.</summary>
    public Task<ConnectionHealth> ReadAsync()
    {
        lock (_gate)
        {
            return _underway is { IsCompleted: false } ? _underway : _underway = ReadOnceAsync();
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, _time);
        try
        {
            do
            {
                try
                {
                    await ReadAsync();
                }
                catch (Exception e)
                {
                    // Nothing else depends on it, so it must not stop the process; an alert watches the age of the last reading.
                    Log.Failed(_log, e);
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process is stopping.
        }
    }

    private async Task<ConnectionHealth> ReadOnceAsync()
    {
        using var timeout = new CancellationTokenSource(Timeout, _time);
        try
        {
            var read = new Dated(await _store.ReadAsync(timeout.Token), _time.GetUtcNow());
            _last = read;
            return Describe(read);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.TooManyConnections)
        {
            return Unavailable($"The server has no connection left: {e.MessageText}.") with { Critical = true };
        }
        catch (Exception e) when (e is OperationCanceledException or NpgsqlException { InnerException: TimeoutException })
        {
            return Unavailable(
                $"Within {Timeout.TotalSeconds:0} s none of this replica's {_poolSize} connections was free, or the server did not answer.");
        }
        catch (NpgsqlException e)
        {
            return Unavailable($"The database is unavailable: {e.Message}");
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
        PoolSize = _poolSize,
    };

    private ConnectionHealth Describe(Dated read)
    {
        var (reading, at) = read;
        var usable = reading.Max - reading.Reserved;
        var utilization = Percent(reading.Active, reading.Max);
        // On a small server more than a tenth is reserved, so it is full before it reaches 90 %.
        var critical = utilization > CriticalPercent || reading.Active >= usable;
        var warning = utilization > WarningPercent || critical;
        var budget = reading.Replicas * _poolSize;
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
            PoolSize = _poolSize,
            ConnectionBudget = budget,
            BudgetPercent = Percent(budget, usable),
            ReadAt = at,
            AgeSeconds = Math.Round((_time.GetUtcNow() - at).TotalSeconds, 3),
            Detail = warning ? $"{reading.Active} of {reading.Max} connections are in use, and {reading.Reserved} are reserved."
                : budget > usable ? $"{reading.Replicas} replicas with {_poolSize} connections each can use more than the {usable} available."
                : null,
        };
    }

    private IEnumerable<Measurement<int>> Last(Func<ConnectionReading, int> value) => _last is { } last ? [new(value(last.Reading))] : [];

    private static double Percent(int part, int whole) => Math.Round(100.0 * part / whole, 1);

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "The database server's connections cannot be read")]
        public static partial void Failed(ILogger log, Exception error);
    }

    private sealed record Dated(ConnectionReading Reading, DateTimeOffset At);
}
