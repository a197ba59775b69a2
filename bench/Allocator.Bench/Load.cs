using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Allocator.Bench;

/// <summary>What one round of load measured.</summary>
/// <param name="CpuMicroseconds">Of the server, per request: what other users of the machine take does not count in it.</param>
/// <param name="P50">Milliseconds; under full load, so these say how long the queue was.</param>
internal sealed record LoadResult(double PerSecond, double CpuMicroseconds, double P50, double P99, long Errors);

/// <summary>Conditional polls as fast as they are answered, by wrk on the second core.</summary>
internal static partial class Load
{
    private const string Core = "1";
    private const int Connections = 64;

    /// <summary>Reads the polls of a fleet, one per line, and sends one of them at random each time.</summary>
    private const string Script =
        """
        local polls = {}
        function init(args)
          math.randomseed(tonumber(args[2]))
          for line in io.lines(args[1]) do
            local hostname, token = line:match("^(%S+) (%S+)$")
            polls[#polls + 1] = "GET /assignment/" .. hostname .. " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " .. token ..
              "\r\nIf-None-Match: \"g1\"\r\n\r\n"
          end
        end
        function request() return polls[math.random(#polls)] end
        """;

    public static async Task<LoadResult> RunAsync(Server server, string pollsFile, TimeSpan duration)
    {
        var script = Path.GetTempFileName();
        await File.WriteAllTextAsync(script, Script);
        try
        {
            string[] arguments =
            [
                "-c", Core, "wrk", "-t1", $"-c{Connections}", string.Create(CultureInfo.InvariantCulture, $"-d{duration.TotalSeconds:0}s"), "--latency",
                "-s", script, server.Address.ToString(), "--", pollsFile, Random.Shared.Next(1, 1_000_000).ToString(CultureInfo.InvariantCulture),
            ];
            var cpu = server.CpuTime;
            using var wrk = Process.Start(new ProcessStartInfo("taskset", arguments) { RedirectStandardOutput = true })!;
            var output = await wrk.StandardOutput.ReadToEndAsync();
            await wrk.WaitForExitAsync();
            return Parse(output, server.CpuTime - cpu);
        }
        finally
        {
            File.Delete(script);
        }
    }

    private static LoadResult Parse(string output, TimeSpan cpu)
    {
        var perSecond = PerSecond().Match(output);
        if (!perSecond.Success)
        {
            throw new InvalidOperationException($"wrk said: {output}");
        }
        var errors = Errors().Match(output) is { Success: true } match ? long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : 0;
        var requests = long.Parse(Requests().Match(output).Groups[1].Value, CultureInfo.InvariantCulture);
        return new LoadResult(
            double.Parse(perSecond.Groups[1].Value, CultureInfo.InvariantCulture), cpu.TotalMicroseconds / requests, Latency(output, "50"), Latency(output, "99"), errors);
    }

    private static double Latency(string output, string percent)
    {
        var match = Regex.Match(output, $@"\b{percent}%\s+([\d.]+)(us|ms|s)\b");
        var value = double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
        return match.Groups[2].Value switch { "us" => value / 1000, "s" => value * 1000, _ => value };
    }

    [GeneratedRegex(@"(\d+) requests in")]
    private static partial Regex Requests();

    [GeneratedRegex(@"Requests/sec:\s+([\d.]+)")]
    private static partial Regex PerSecond();

    [GeneratedRegex(@"Non-2xx or 3xx responses: (\d+)")]
    private static partial Regex Errors();
}
