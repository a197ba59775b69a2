using Allocator.Contracts;
using Refit;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>The part of the API that a person's page calls.</summary>
internal interface IPersonApi
{
    [Post("/assignments")]
    Task<IApiResponse<Assignment>> RequestAsync([Body] AssignmentRequest request, CancellationToken cancel);

    [Get("/assignments/{id}")]
    Task<IApiResponse<Assignment>> FindAsync(Guid id, [Header("If-None-Match")] string? etag, CancellationToken cancel);

    [Delete("/assignments/{id}")]
    Task<IApiResponse> EndAsync(Guid id, CancellationToken cancel);
}
