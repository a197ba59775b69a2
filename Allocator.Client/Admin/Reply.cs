using System.Net;
using System.Text.Json;
using Allocator.Client.Terminal;
using Allocator.Contracts;
using Refit;

namespace Allocator.Client.Admin;

/// <summary>Reads the API's responses: returns the content, or throws with the API's error message.</summary>
internal static class Reply
{
    /// <summary>The largest page that the API returns.</summary>
    private const int MaxPage = 1_000;

    /// <exception cref="CommandException">The response is an error, or did not come from an allocator.</exception>
    public static T Content<T>(IApiResponse<T> reply)
        where T : class
    {
        Check(reply);
        return reply.Content ?? throw NotTheAllocator(reply);
    }

    public static void Check(IApiResponse reply)
    {
        if (!reply.IsSuccessful)
        {
            throw Failure(reply);
        }
    }

    /// <summary>Reads page after page until there are <paramref name="limit"/> items or no more pages.</summary>
    /// <returns>One page with all items, whose <c>Next</c> is not null if there are more.</returns>
    public static async Task<Page<T>> AllAsync<T>(int limit, Func<string?, int, Task<IApiResponse<Page<T>>>> fetch)
    {
        var items = new List<T>();
        string? next = null;
        do
        {
            var page = Content(await fetch(next, Math.Min(limit - items.Count, MaxPage)));
            items.AddRange(page.Items);
            next = page.Next;
        }
        while (next is not null && items.Count < limit);
        return new Page<T>(items, next);
    }

    private static CommandException Failure(IApiResponse reply)
    {
        if (reply.StatusCode is not { } status)
        {
            return new CommandException(ExitCode.Unreachable, $"Cannot reach the allocator: {reply.Error?.GetBaseException().Message}");
        }
        if ((reply.Error as ApiException)?.Content is not { } body || ReadProblem(body) is not { } message)
        {
            return NotTheAllocator(reply);
        }
        return new CommandException(
            status is HttpStatusCode.Unauthorized ? ExitCode.Credentials
            : status is HttpStatusCode.ServiceUnavailable ? ExitCode.Unreachable
            : ExitCode.Refused, message);
    }

    private static CommandException NotTheAllocator(IApiResponse reply)
    {
        var server = reply.RequestMessage?.RequestUri?.GetLeftPart(UriPartial.Authority);
        return new(ExitCode.Unreachable, $"{server} answered {(int?)reply.StatusCode} {reply.ReasonPhrase}, but is not an allocator.");
    }

    /// <summary>Formats a problem (RFC 9457) as text; returns null if the body is not one.</summary>
    private static string? ReadProblem(string body)
    {
        try
        {
            using var problem = JsonDocument.Parse(body);
            if (problem.RootElement is not { ValueKind: JsonValueKind.Object } root || !root.TryGetProperty("title", out var title))
            {
                return null;
            }
            var fields = root.TryGetProperty("errors", out var errors) && errors.ValueKind == JsonValueKind.Object
                ? errors.EnumerateObject().Select(FormatField).ToList()
                : [];
            return fields.Count > 0 ? $"{title}. {string.Join(Environment.NewLine, fields)}"
                : root.TryGetProperty("detail", out var detail) ? $"{title}. {detail}"
                : $"{title}.";
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string FormatField(JsonProperty field) =>
        $"{field.Name}: {string.Join(' ', field.Value.EnumerateArray().Select(error => error.GetString()))}";
}
