namespace Allocator.Polling;

/// <summary>
/// Reads each response completely, within the timeout of the request and up to a maximum length, so that a slow or endless
/// body neither blocks the client nor fills its memory.
/// </summary>
internal sealed class ResponseBuffer : DelegatingHandler
{
    /// <summary>The maximum length in bytes; the allocator's own responses have a few thousand.</summary>
    public const int MaxLength = 256 * 1024;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var response = await base.SendAsync(request, cancellationToken);
        try
        {
            await response.Content.LoadIntoBufferAsync(MaxLength, cancellationToken);
            return response;
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }
}
