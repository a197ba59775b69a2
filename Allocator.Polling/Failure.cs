using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text.Json;
using Refit;

namespace Allocator.Polling;

/// <summary>
/// Describes why there is no usable answer. The same failure always has the same description, without a time, count or
/// request in it, so that repetitions can be recognized.
/// </summary>
internal static class Failure
{
    private const string ProblemPrefix = "urn:allocator:problem:";

    public static string Describe(IApiResponse reply, Uri url, TimeSpan timeout, DateTimeOffset now)
    {
        if (reply.StatusCode is not { } status)
        {
            return Unanswered(reply.Error, url, timeout, now);
        }
        var response = $"{(int)status} {reply.ReasonPhrase}".TrimEnd();
        if (Problem((reply.Error as ApiException)?.Content) is { } problem)
        {
            return $"{response}: {problem}";
        }
        var kind = reply.ContentHeaders?.ContentType?.MediaType;
        return (int)status switch
        {
            304 => $"{response}, although the request had no ETag",
            >= 300 and < 400 => $"{response} to {reply.Headers?.Location?.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped)}: "
                + "not the allocator but something in front of it responded, such as a login page of the network",
            407 => $"{response}: the proxy requires other credentials",
            511 => $"{response}: the network requires a login first",
            _ when kind is "text/html" => $"{response} with a web page: not the allocator but something in front of it responded, "
                + "such as a login page of the network or a proxy",
            >= 200 and < 300 => $"{response} with an unreadable body",
            _ => $"{response}, no problem details in the response",
        };
    }

    private static string Unanswered(Exception? error, Uri url, TimeSpan timeout, DateTimeOffset now)
    {
        if (Chain(error).Any(e => e is TimeoutException))
        {
            return string.Create(CultureInfo.InvariantCulture, $"no complete response within {timeout.TotalSeconds:0.#} s");
        }
        var cause = error?.GetBaseException();
        var kind = Chain(error).OfType<HttpRequestException>().Select(e => e.HttpRequestError).LastOrDefault(e => e != HttpRequestError.Unknown);
        return (kind, cause) switch
        {
            (HttpRequestError.NameResolutionError, _)
                or (_, SocketException
                {
                    SocketErrorCode: SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData or SocketError.NoRecovery,
                }) => $"the name {url.Host} cannot be resolved (DNS): {cause!.Message}",
            (HttpRequestError.ProxyTunnelError, _) => $"the proxy refuses the connection: {cause!.Message}",
            (HttpRequestError.ConfigurationLimitExceeded, _) =>
                $"the response is longer than {ResponseBuffer.MaxLength:N0} bytes: not the allocator responded",
            (_, AuthenticationException) when cause.Message.Contains("NotTimeValid", StringComparison.Ordinal) =>
                string.Create(CultureInfo.InvariantCulture,
                    $"{url.Host}'s certificate is not valid on {now:yyyy-MM-dd}, this machine's date; is its clock right? {cause.Message}"),
            (HttpRequestError.SecureConnectionError, _) or (_, AuthenticationException) =>
                $"no secure connection to {url.Host} (TLS): {cause!.Message}",
            (_, SocketException) => $"no connection to {url.Authority}: {cause.Message}",
            (_, HttpIOException or IOException) => $"the response broke off: {cause.Message}",
            _ => cause?.Message ?? "no response",
        };
    }

    private static IEnumerable<Exception> Chain(Exception? error)
    {
        for (; error is not null; error = error.InnerException)
        {
            yield return error;
        }
    }

    /// <summary>Reads the problem details of the allocator; returns null if there are none.</summary>
    private static string? Problem(string? body)
    {
        try
        {
            using var problem = JsonDocument.Parse(body ?? "");
            var root = problem.RootElement;
            if (root.ValueKind != JsonValueKind.Object || Text(root, "type")?.StartsWith(ProblemPrefix, StringComparison.Ordinal) != true)
            {
                return null;
            }
            // The detail of a server error names the request, so it differs each time and is omitted.
            return root.TryGetProperty("status", out var status) && status.TryGetInt32(out var code) && code < 500
                ? $"{Text(root, "title")}. {Text(root, "detail")}"
                : Text(root, "title");
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
