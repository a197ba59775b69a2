using System.Net;

namespace Allocator.Api.Health;

/// <summary>Checks whether the replica on this machine is ready, for the health check of a container, whose image has no HTTP client.</summary>
internal static class HealthCommand
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(3);

    /// <returns>0 if the replica is ready, or else 1.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        // The server reads its addresses from the same variables.
        var settings = new ConfigurationBuilder()
            .AddEnvironmentVariables("DOTNET_").AddEnvironmentVariables("ASPNETCORE_").AddCommandLine(args).Build();
        if (Addresses(settings).FirstOrDefault(address => address.Scheme == Uri.UriSchemeHttp) is not { } listening)
        {
            await Console.Error.WriteLineAsync("No http address is configured. Pass one: --urls http://127.0.0.1:8080");
            return 1;
        }
        var url = new UriBuilder(Uri.UriSchemeHttp, Reachable(listening.Host), listening.Port, "/health/ready").Uri;
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = Timeout };
        try
        {
            using var response = await http.GetAsync(url);
            Console.WriteLine(await response.Content.ReadAsStringAsync());
            return response.IsSuccessStatusCode ? 0 : 1;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            await Console.Error.WriteLineAsync($"{url}: {e.Message}");
            return 1;
        }
    }

    private static IEnumerable<BindingAddress> Addresses(IConfiguration settings) =>
        settings["urls"] is { Length: > 0 } urls
            ? Split(urls).Select(BindingAddress.Parse)
            : Split(settings["http_ports"] ?? "5000").Select(port => BindingAddress.Parse($"http://*:{port}"));

    private static string[] Split(string list) => list.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>Replaces a wildcard address by the loopback address, on which the server then listens as well.</summary>
    private static string Reachable(string host) =>
        IPAddress.TryParse(host.Trim('[', ']'), out var address)
            ? address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any) ? "127.0.0.1" : host
            : host == "localhost" ? host : "127.0.0.1";
}
