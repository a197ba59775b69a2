using System.Diagnostics;
using Npgsql;

namespace Allocator.Bench;

/// <summary>Commits a small unrelated change a hundred times a second and records the latencies.</summary>
internal sealed class UnrelatedWrites : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);

    private readonly CancellationTokenSource _over = new();
    private readonly NpgsqlConnection _connection;
    private readonly Task _writing;
    private Latencies _commits = new();

    private UnrelatedWrites(NpgsqlConnection connection)
    {
        _connection = connection;
        _writing = WriteAsync();
    }

    public static async Task<UnrelatedWrites> StartAsync(string connectionString)
    {
        var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var create = new NpgsqlCommand(
            """
            create table if not exists unrelated (id integer primary key, n integer not null);
            insert into unrelated values (1, 0) on conflict do nothing;
            """,
            connection);
        await create.ExecuteNonQueryAsync();
        return new UnrelatedWrites(connection);
    }

    /// <summary>Returns the commits since the last call.</summary>
    public Latencies Take() => Interlocked.Exchange(ref _commits, new Latencies());

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _writing;
        await _connection.DisposeAsync();
        _over.Dispose();
    }

    private async Task WriteAsync()
    {
        using var timer = new PeriodicTimer(Interval, TimeProvider.System);
        await using var write = new NpgsqlCommand("update unrelated set n = n + 1 where id = 1", _connection);
        try
        {
            while (await timer.WaitForNextTickAsync(_over.Token))
            {
                var started = Stopwatch.GetTimestamp();
                await write.ExecuteNonQueryAsync();
                Volatile.Read(ref _commits).Add(Stopwatch.GetElapsedTime(started));
            }
        }
        catch (OperationCanceledException)
        {
            // The scenario has ended.
        }
    }
}
