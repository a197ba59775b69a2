using System.Net;

namespace Allocator.Api.Health;

/// <summary>Asks the replica on this machine whether it is ready, for a container's health check: its image has nothing else to ask with.</summary>
internal static class HealthCommand
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(3);

    /// <returns>0 if it is ready, else 1.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        // Where the server listens, by the variables that it goes by itself.
        var settings = new ConfigurationBuilder()
            .AddEnvironmentVariables("DOTNET_").AddEnvironmentVariables("ASPNETCORE_").AddCommandLine(args).Build();
        if (Addresses(settings).FirstOrDefault(address => address.Scheme == Uri.UriSchemeHttp) is not { } listening)
        {
            await Console.Error.WriteLineAsync("It listens on no http address. Name one: --urls http://127.0.0.1:8080");
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

    /// <summary>All of the machine's addresses include the loopback.</summary>
    private static string Reachable(string host) =>
        IPAddress.TryParse(host.Trim('[', ']'), out var address)
            ? address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any) ? "127.0.0.1" : host
            : host == "localhost" ? host : "127.0.0.1";
}
