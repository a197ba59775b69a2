using System.Net;
using Allocator.Contracts;
using Refit;

namespace Allocator.Polling;

/// <summary>The result of a poll: an answer, unchanged or new, or the reason why there is none.</summary>
/// <param name="Answer">The allocator's answer; null if the poll failed.</param>
/// <param name="Why">Why the poll failed.</param>
/// <param name="RetryAfter">The delay that the server asked for.</param>
internal sealed record PollResult(VmAssignment? Answer, string? ETag, TimeSpan? MaxAge, string? Why, TimeSpan? RetryAfter)
{
    /// <summary>
    /// Reads a response. Anything but an unambiguous answer for this VM is a failure, which changes nothing: an error,
    /// another host's page or half a body.
    /// </summary>
    public static PollResult Read(IApiResponse<VmAssignment> reply, PersistedState persisted, AllocatorClientOptions options, DateTimeOffset now)
    {
        if (reply is { StatusCode: HttpStatusCode.NotModified } && persisted is { Answer: { } known, ETag: { } etag })
        {
            return new PollResult(known, etag, reply.Headers?.CacheControl?.MaxAge, null, null);
        }
        if (reply is { StatusCode: HttpStatusCode.OK, Error: null, Content: { } answer } && reply.Headers?.ETag?.Tag is { } tag)
        {
            return answer.Hostname == options.Hostname && answer.Generation > 0
                && (answer.State == VmState.Assigned) == (answer.Assignment is not null)
                ? new PollResult(answer, tag, reply.Headers.CacheControl?.MaxAge, null, null)
                : Failed("the answer is not for this VM");
        }
        return Failed(reply, options, now);
    }

    public static PollResult Failed(IApiResponse reply, AllocatorClientOptions options, DateTimeOffset now) =>
        Failed(Failure.Describe(reply, options.Url, options.RequestTimeout, now), ReadRetryAfter(reply, now));

    public static PollResult Failed(string why, TimeSpan? retryAfter = null) => new(null, null, null, why, retryAfter);

    /// <summary>Reads the Retry-After header, given in seconds or as a date.</summary>
    public static TimeSpan? ReadRetryAfter(IApiResponse reply, DateTimeOffset now) =>
        reply.Headers?.RetryAfter is not { } wait ? null
        : wait.Delta ?? (wait.Date is { } date && date > now ? date - now : null);
}
