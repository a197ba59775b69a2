using System.Diagnostics;

namespace Allocator.Bench.Load;

internal delegate ReadOnlySpan<byte> NextRequest();

/// <summary>Measures the maximum rate: each connection sends the poll of a random VM as soon as it has a reply.</summary>
internal static class Throughput
{
    public const int Connections = 64;

    /// <summary>Sends one poll of each VM that has not been answered yet.</summary>
    public static LoadResult RunOnce(Uri server, PollRequests requests)
    {
        var vm = -1;
        return Run(server, Next);

        ReadOnlySpan<byte> Next()
        {
            while (++vm < requests.Count)
            {
                if (!requests.IsAnswered(vm))
                {
                    requests.IsAnswered(vm) = true;
                    return requests[vm];
                }
            }
            return [];
        }
    }

    public static LoadResult Run(Uri server, PollRequests requests, TimeSpan duration)
    {
        var random = new Random(1);
        var started = Stopwatch.GetTimestamp();
        return Run(server, () => Stopwatch.GetElapsedTime(started) < duration ? requests[random.Next(requests.Count)] : []);
    }

    /// <param name="next">Returns the next request, or nothing at the end.</param>
    private static LoadResult Run(Uri server, NextRequest next)
    {
        using var epoll = new Epoll(server, Connections);
        var latencies = new Histogram();
        long notModified = 0, errors = 0;
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
                Send(connection);
            });
        }
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        return new LoadResult(latencies.Count / seconds, latencies.Count, notModified, errors, latencies);

        void Send(Connection connection)
        {
            var request = next();
            if (!request.IsEmpty)
            {
                connection.Since = Stopwatch.GetTimestamp();
                Epoll.Send(connection, request);
                underWay++;
            }
        }
    }
}
