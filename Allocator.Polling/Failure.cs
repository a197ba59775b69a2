using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text.Json;
using Refit;

namespace Allocator.Polling;

/// <summary>
/// Says in words why there is no usable answer. The same trouble is always the same words: there is no time, count or
/// request in them.
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
        var said = $"{(int)status} {reply.ReasonPhrase}".TrimEnd();
        if (Problem((reply.Error as ApiException)?.Content) is { } words)
        {
            return $"{said}: {words}";
        }
        var kind = reply.ContentHeaders?.ContentType?.MediaType;
        return (int)status switch
        {
            304 => $"{said}, though nothing is known here",
            >= 300 and < 400 => $"{said} to {reply.Headers?.Location?.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped)}: "
                + "not the allocator answers but something before it, such as a login page of the network",
            407 => $"{said}: the proxy wants other credentials",
            511 => $"{said}: the network wants somebody to log in first",
            _ when kind is "text/html" => $"{said} with a web page: not the allocator answers but something before it, such as a login page of the network or a proxy",
            >= 200 and < 300 => $"{said}, but nothing that can be understood",
            _ => $"{said}, without a word of the allocator",
        };
    }

    private static string Unanswered(Exception? error, Uri url, TimeSpan timeout, DateTimeOffset now)
    {
        if (Chain(error).Any(e => e is TimeoutException))
        {
            return string.Create(CultureInfo.InvariantCulture, $"no whole reply within {timeout.TotalSeconds:0.#} s");
        }
        var cause = error?.GetBaseException();
        var kind = Chain(error).OfType<HttpRequestException>().Select(e => e.HttpRequestError).LastOrDefault(e => e != HttpRequestError.Unknown);
        return (kind, cause) switch
        {
            (HttpRequestError.NameResolutionError, _)
                or (_, SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData or SocketError.NoRecovery }) => $"the name {url.Host} cannot be found (DNS): {cause!.Message}",
            (HttpRequestError.ProxyTunnelError, _) => $"the proxy does not let it through: {cause!.Message}",
            (HttpRequestError.ConfigurationLimitExceeded, _) => $"the reply is longer than {ResponseBuffer.MaxLength:N0} bytes: not the allocator answers",
            (_, AuthenticationException) when cause.Message.Contains("NotTimeValid", StringComparison.Ordinal) =>
                string.Create(CultureInfo.InvariantCulture, $"{url.Host}'s certificate is not valid on {now:yyyy-MM-dd}, this machine's date; is its clock right? {cause.Message}"),
            (HttpRequestError.SecureConnectionError, _) or (_, AuthenticationException) => $"no safe connection to {url.Host} (TLS): {cause!.Message}",
            (_, SocketException) => $"no connection to {url.Authority}: {cause.Message}",
            (_, HttpIOException or IOException) => $"the reply broke off: {cause.Message}",
            _ => cause?.Message ?? "no reply",
        };
    }

    private static IEnumerable<Exception> Chain(Exception? error)
    {
        for (; error is not null; error = error.InnerException)
        {
            yield return error;
        }
    }

    /// <summary>A problem of the allocator's in words; null where it is none.</summary>
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
            // What a server's fault has for detail names the request, and so differs each time.
            return root.TryGetProperty("status", out var status) && status.TryGetInt32(out var code) && code < 500 ? $"{Text(root, "title")}. {Text(root, "detail")}" : Text(root, "title");
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
