using System.Net;
using System.Text.Json;
using Allocator.Client.Terminal;
using Allocator.Contracts;
using Refit;

namespace Allocator.Client.Admin;

/// <summary>Reads the API's answers: what they bring, or why not.</summary>
internal static class Reply
{
    /// <summary>Items on a page, at most.</summary>
    private const int MaxPage = 1_000;

    /// <exception cref="CommandException">There is no such answer.</exception>
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

    /// <summary>Follows the pages until there are so many items, or no more.</summary>
    /// <returns>One page of all of them; its <c>Next</c> is not null where there are more.</returns>
    public static async Task<Page<T>> AllAsync<T>(int limit, Func<string?, int, Task<IApiResponse<Page<T>>>> ask)
    {
        var items = new List<T>();
        string? next = null;
        do
        {
            var page = Content(await ask(next, Math.Min(limit - items.Count, MaxPage)));
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
            return new CommandException(ExitCode.Unreachable, $"The allocator cannot be reached: {Innermost(reply.Error)}");
        }
        if ((reply.Error as ApiException)?.Content is not { } body || Words(body) is not { } words)
        {
            return NotTheAllocator(reply);
        }
        return new CommandException(
            status is HttpStatusCode.Unauthorized ? ExitCode.Credentials
            : status is HttpStatusCode.ServiceUnavailable ? ExitCode.Unreachable
            : ExitCode.Refused, words);
    }

    private static CommandException NotTheAllocator(IApiResponse reply) => new(ExitCode.Unreachable,
        $"{reply.RequestMessage?.RequestUri?.GetLeftPart(UriPartial.Authority)} answered {(int?)reply.StatusCode} {reply.ReasonPhrase}, but not as an allocator does.");

    private static string? Innermost(Exception? error) => error?.GetBaseException().Message;

    /// <summary>A problem (RFC 9457) in words: its title, its detail, and the fields that are wrong. Null where it is none.</summary>
    private static string? Words(string body)
    {
        try
        {
            using var problem = JsonDocument.Parse(body);
            if (problem.RootElement is not { ValueKind: JsonValueKind.Object } root || !root.TryGetProperty("title", out var title))
            {
                return null;
            }
            var fields = root.TryGetProperty("errors", out var errors) && errors.ValueKind == JsonValueKind.Object
                ? errors.EnumerateObject().Select(field => $"{field.Name}: {string.Join(' ', field.Value.EnumerateArray().Select(error => error.GetString()))}").ToList()
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
}
