using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Allocator.Bench.Load;
using Microsoft.AspNetCore.Identity;

namespace Allocator.Bench;

/// <summary>
/// Admins who sign in, and a fleet that polls, while 1,000 connections guess passwords: all from one address, and each from
/// its own.
/// </summary>
internal static class SignIns
{
    private const int Vms = 10_000;
    private const int PollConnections = 64;
    private const int Guessers = 1_000;
    private const string Office = "192.0.2.1";
    private const string Password = "the password of the bench's admins";

    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(300);

    public static async Task<Table> RunAsync(Database database, bool full)
    {
        var signIns = full ? 200 : 60;
        var hash = new PasswordHasher<string>().HashPassword("", Password);
        var connectionString = await database.CreateFleetAsync(Vms);
        await using var api = await Server.StartApiAsync(connectionString,
        [
            new("Proxies__Known__0", "127.0.0.1"),
            .. Enumerable.Range(0, 3 * signIns + 1).Select(admin => KeyValuePair.Create($"Admin__Users__{Name(admin)}", hash)),
        ]);
        using var requests = PollRequests.OfFleet(1, Vms, 1);
        Throughput.RunOnce(api.Address, requests);
        Throughput.Run(api.Address, requests, TimeSpan.FromSeconds(6));
        using var http = new HttpClient { BaseAddress = api.Address };
        var polls = new VmSimulator(api.Address, requests, PollConnections, MaxAge, obeysHints: true);
        var polling = polls.RunAsync();
        await SignInAsync(http, 3 * signIns);
        await Task.Delay(MaxAge * 2, TimeProvider.System);

        var table = new Table(
            "Signing in while passwords are guessed",
            $"""
            {Vms:N0} VMs poll every 15–30 s. {signIns} admins sign in, one every {Pause.TotalSeconds:0.0} s or later, each for the first time in
            this process and from one address that nobody else has; those refused with `429` are not in the times. {Guessers:N0}
            connections send another wrong password as soon as they are answered. The replica has one core; the load, the admins and
            PostgreSQL have the other. Ratios are to the first row.
            """,
            [
                "guessers", "sign-in p50", "… ratio", "sign-in p95", "… ratio", "refused sign-ins", "polls p50", "polls p99", "… ratio",
                "poll errors", "guesses/s", "checked/s", "processor, replica",
            ]);
        Figures? undisturbed = null;
        await MeasureAsync("none", 0, null);
        await MeasureAsync($"{Guessers:N0}, one address", 1, _ => "198.51.100.1");
        await MeasureAsync($"{Guessers:N0}, an address each", 2, guesser => $"10.{guesser / 250}.{guesser % 250}.1");
        polls.Stop();
        await polling;
        return table;

        async Task MeasureAsync(string guessing, int row, Func<int, string>? addressOf)
        {
            var guesses = addressOf is null ? null : new GuessingLoad(api.Address, Guessers, addressOf);
            var running = guesses?.RunAsync() ?? Task.CompletedTask;
            await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
            polls.Reset();
            guesses?.Reset();
            var (cpu, started) = (api.Usage.Cpu, Stopwatch.GetTimestamp());
            var times = new List<double>();
            for (var i = 0; i < signIns; i++)
            {
                if (await SignInAsync(http, (row * signIns) + i) is { } time)
                {
                    times.Add(time);
                }
                await Task.Delay(Pause, TimeProvider.System);
            }
            var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            cpu = api.Usage.Cpu - cpu;
            var (totals, (answered, wrong)) = (polls.Reset(), guesses?.Reset() ?? default);
            guesses?.Stop();
            await running;

            var figures = new Figures(times.Percentile(0.5), times.Percentile(0.95), totals.Latencies.Percentile(99));
            var to = undisturbed ??= figures;
            table.Add(
                guessing, Milliseconds(figures.P50), Ratio(figures.P50, to.P50), Milliseconds(figures.P95), Ratio(figures.P95, to.P95),
                $"{signIns - times.Count} of {signIns}", $"{totals.Latencies.Percentile(50):0.0} ms", $"{figures.Polls:0.0} ms",
                Ratio(figures.Polls, to.Polls), $"{totals.Errors}", $"{answered / seconds:N0}", $"{wrong / seconds:0.0}",
                $"{cpu.TotalSeconds / seconds:0 %}");
        }
    }

    private static string Name(int admin) => $"admin-{admin}";

    private static string Milliseconds(double value) => double.IsNaN(value) ? "–" : $"{value:0} ms";

    private static string Ratio(double value, double to) => double.IsNaN(value) ? "–" : $"{value / to:0.0}";

    /// <summary>Returns the milliseconds until the reply, or null if it was 429.</summary>
    private static async Task<double?> SignInAsync(HttpClient http, int admin)
    {
        var started = Stopwatch.GetTimestamp();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/pools") { Headers = { { "X-Forwarded-For", Office } } };
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Base64($"{Name(admin)}:{Password}"));
        using var response = await http.SendAsync(request);
        if (response.StatusCode == HttpStatusCode.TooManyRequests)
        {
            return null;
        }
        response.EnsureSuccessStatusCode();
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    private sealed record Figures(double P50, double P95, double Polls);

    /// <summary>Connections that each send another wrong password as soon as the last one is answered.</summary>
    private sealed class GuessingLoad(Uri server, int connections, Func<int, string> addressOf)
    {
        private volatile bool _stopped;
        private long _answered;
        private long _checked;

        public void Stop() => _stopped = true;

        /// <summary>Resets the totals; returns the former ones.</summary>
        public (long Answered, long Checked) Reset() => (Interlocked.Exchange(ref _answered, 0), Interlocked.Exchange(ref _checked, 0));

        /// <summary>Runs on a separate thread until it is stopped.</summary>
        public Task RunAsync() => Task.Factory.StartNew(Run, default, TaskCreationOptions.LongRunning, TaskScheduler.Default);

        private void Run()
        {
            using var epoll = new Epoll(server, connections);
            long guess = 0;
            foreach (var connection in epoll.Connections)
            {
                Send(connection);
            }
            while (!_stopped)
            {
                epoll.Wait(100, (connection, reply) =>
                {
                    Interlocked.Increment(ref _answered);
                    if (reply.Status == 401)
                    {
                        Interlocked.Increment(ref _checked);
                    }
                    Send(connection);
                });
            }

            void Send(Connection connection) => Epoll.Send(connection, Encoding.ASCII.GetBytes(
                $"GET /pools HTTP/1.1\r\nHost: allocator\r\nX-Forwarded-For: {addressOf(connection.Index)}\r\n"
                + $"Authorization: Basic {Base64($"{Name(0)}:guess {guess++}")}\r\n\r\n"));
        }
    }
}
