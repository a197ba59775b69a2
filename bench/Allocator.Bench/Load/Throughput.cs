using System.Diagnostics;

namespace Allocator.Bench.Load;

/// <summary>What one round of load measured.</summary>
internal sealed record LoadResult(double PerSecond, long Answered, long NotModified, long Errors, Latencies Latencies);

/// <summary>As many polls as are answered: each connection sends the next, of a VM drawn at random, when it has its reply.</summary>
internal static class Throughput
{
    public const int Connections = 64;

    public static LoadResult Run(Uri server, PollRequests requests, TimeSpan duration)
    {
        using var epoll = new Epoll(server, Connections);
        var random = new Random(1);
        var latencies = new Latencies();
        long notModified = 0, errors = 0;
        var until = Stopwatch.GetTimestamp() + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        var underWay = 0;
        foreach (var connection in epoll.Connections)
        {
            Send(connection);
        }
        var started = Stopwatch.GetTimestamp();
        while (underWay > 0)
        {
            epoll.Wait(1000, (connection, reply) =>
            {
                var now = Stopwatch.GetTimestamp();
                underWay--;
                latencies.Add(connection.Since, now);
                notModified += reply.Status == 304 ? 1 : 0;
                errors += reply.Status is 304 or 200 ? 0 : 1;
                if (now < until)
                {
                    Send(connection);
                }
            });
        }
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        return new LoadResult(latencies.Count / seconds, latencies.Count, notModified, errors, latencies);

        void Send(Connection connection)
        {
            connection.Since = Stopwatch.GetTimestamp();
            Epoll.Send(connection, requests[random.Next(requests.Count)]);
            underWay++;
        }
    }
}
