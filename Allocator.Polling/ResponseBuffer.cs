namespace Allocator.Polling;

/// <summary>
/// Reads each reply to its end before it is looked at, within the time of the request and to a limit: what sends a body
/// slowly, or without an end, holds nobody up and fills no memory.
/// </summary>
internal sealed class ResponseBuffer : DelegatingHandler
{
    /// <summary>Bytes; the allocator's own replies have a few thousand at most.</summary>
    public const int MaxLength = 256 * 1024;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var reply = await base.SendAsync(request, cancellationToken);
        try
        {
            await reply.Content.LoadIntoBufferAsync(MaxLength, cancellationToken);
            return reply;
        }
        catch
        {
            reply.Dispose();
            throw;
        }
    }
}
