using Allocator.Contracts;
using Refit;

namespace Allocator.Polling;

/// <summary>
/// The API calls of a VM. They return the whole response, since Refit does not treat 304 as a success and would throw from
/// <c>Task&lt;T&gt;</c>.
/// </summary>
internal interface IAllocatorApi
{
    [Post("/vms")]
    Task<IApiResponse<Enrolment>> EnrolAsync([Body] EnrolmentRequest request, [Authorize("Bearer")] string enrolmentToken, CancellationToken cancel);

    [Get("/assignment/{hostname}")]
    Task<IApiResponse<VmAssignment>> PollAsync(
        string hostname, [Header("If-None-Match")] string? etag, [Authorize("Bearer")] string token, CancellationToken cancel);

    [Put("/assignment/{hostname}/outcome")]
    Task<IApiResponse> ReportOutcomeAsync(string hostname, [Body] OutcomeReport report, [Authorize("Bearer")] string token, CancellationToken cancel);

    [Put("/vms/{hostname}/report")]
    Task<IApiResponse> ReportAsync(string hostname, [Body] VmReport report, [Authorize("Bearer")] string token, CancellationToken cancel);
}
