using System.Net;
using Allocator.Contracts;
using Refit;

namespace Allocator.Polling;

/// <summary>What one poll brought: an answer, old or new, or the reason why there is none.</summary>
/// <param name="Answer">What the allocator says; null where the poll failed.</param>
/// <param name="Why">Why it failed, in words.</param>
/// <param name="RetryAfter">How long the server wants to be left alone.</param>
internal sealed record PollResult(VmAssignment? Answer, string? ETag, TimeSpan? MaxAge, string? Why, TimeSpan? RetryAfter)
{
    /// <summary>
    /// Reads a reply as what it is worth: anything but an unambiguous answer for this VM changes nothing, be it an
    /// error, another host's page or half a body.
    /// </summary>
    public static PollResult Read(IApiResponse<VmAssignment> reply, PersistedState persisted, AllocatorClientOptions options, DateTimeOffset now)
    {
        if (reply is { StatusCode: HttpStatusCode.NotModified } && persisted is { Answer: { } known, ETag: { } etag })
        {
            return new PollResult(known, etag, reply.Headers?.CacheControl?.MaxAge, null, null);
        }
        if (reply is { StatusCode: HttpStatusCode.OK, Error: null, Content: { } answer } && reply.Headers?.ETag?.Tag is { } tag)
        {
            return answer.Hostname == options.Hostname && answer.Generation > 0 && (answer.State == VmState.Assigned) == (answer.Assignment is not null)
                ? new PollResult(answer, tag, reply.Headers.CacheControl?.MaxAge, null, null)
                : Failed("the answer is not for this VM");
        }
        return Failed(reply, options, now);
    }

    public static PollResult Failed(IApiResponse reply, AllocatorClientOptions options, DateTimeOffset now) =>
        Failed(Failure.Describe(reply, options.Url, options.RequestTimeout, now), ReadRetryAfter(reply, now));

    public static PollResult Failed(string why, TimeSpan? retryAfter = null) => new(null, null, null, why, retryAfter);

    /// <summary>For how long the server wants to be left alone, in seconds from now or by its clock.</summary>
    public static TimeSpan? ReadRetryAfter(IApiResponse reply, DateTimeOffset now) =>
        reply.Headers?.RetryAfter is not { } wait ? null
        : wait.Delta ?? (wait.Date is { } date && date > now ? date - now : null);
}
