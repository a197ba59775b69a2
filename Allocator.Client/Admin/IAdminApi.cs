using Allocator.Contracts;
using Refit;

namespace Allocator.Client.Admin;

/// <summary>The part of the API that admins call. <see cref="Reply"/> reads the responses.</summary>
internal interface IAdminApi
{
    /// <param name="filter">The filters of a <see cref="VmQuery"/>, from <see cref="Query.Of"/>.</param>
    [Get("/vms")]
    Task<IApiResponse<Page<Vm>>> ListVmsAsync(
        [Query] IDictionary<string, string> filter, string? after, int limit, CancellationToken cancel);

    [Get("/vms/{hostname}")]
    Task<IApiResponse<VmDetail>> FindVmAsync(string hostname, CancellationToken cancel);

    /// <param name="verb"><c>hold</c>, <c>unhold</c>, <c>drain</c> or <c>release</c>.</param>
    [Post("/vms/{verb}")]
    Task<IApiResponse<Touched<TouchedVm>>> ChangeVmsAsync(string verb, [Body] VmSelection selection, CancellationToken cancel);

    [Post("/vms/{hostname}/assign")]
    Task<IApiResponse<Assignment>> AssignVmAsync(string hostname, [Body] VmAssignmentRequest request, CancellationToken cancel);

    [Delete("/vms/{hostname}")]
    Task<IApiResponse> DeleteVmAsync(string hostname, CancellationToken cancel);

    [Get("/assignments")]
    Task<IApiResponse<Page<Assignment>>> ListAssignmentsAsync(
        string? pool, string? state, string? hostname, string? email, string? text, string? after, int limit, CancellationToken cancel);

    [Get("/assignments/{id}")]
    Task<IApiResponse<Assignment>> FindAssignmentAsync(Guid id, CancellationToken cancel);

    [Post("/assignments/{id}/move")]
    Task<IApiResponse<Assignment>> MoveAsync(Guid id, [Body] MoveRequest request, CancellationToken cancel);

    [Post("/assignments/{id}/extend")]
    Task<IApiResponse<Assignment>> ExtendAsync(
        Guid id, [Body] ExtensionRequest request, [Header("Idempotency-Key")] string key, CancellationToken cancel);

    [Post("/assignments/release")]
    Task<IApiResponse<Touched<TouchedAssignment>>> ReleaseAsync([Body] AssignmentSelection selection, CancellationToken cancel);

    [Get("/pools")]
    Task<IApiResponse<IReadOnlyList<Pool>>> ListPoolsAsync(CancellationToken cancel);

    [Get("/pools/{pool}")]
    Task<IApiResponse<Pool>> FindPoolAsync(string pool, CancellationToken cancel);

    [Put("/pools/{pool}")]
    Task<IApiResponse> PutPoolAsync(string pool, [Body] PoolSettings settings, CancellationToken cancel);

    [Delete("/pools/{pool}")]
    Task<IApiResponse> DeletePoolAsync(string pool, CancellationToken cancel);

    [Get("/pools/{pool}/roster")]
    Task<IApiResponse<Page<RosterEntry>>> ListRosterAsync(string pool, string? after, int limit, CancellationToken cancel);

    [Put("/pools/{pool}/roster")]
    Task<IApiResponse<RosterSize>> PutRosterAsync(string pool, [Body] StringContent csv, CancellationToken cancel);

    [Delete("/pools/{pool}/roster")]
    Task<IApiResponse> DeleteRosterAsync(string pool, CancellationToken cancel);

    [Post("/enrolment-tokens")]
    Task<IApiResponse<NewEnrolmentTokens>> MakeEnrolmentTokensAsync([Body] EnrolmentTokenRequest request, CancellationToken cancel);

    [Get("/enrolment-tokens")]
    Task<IApiResponse<Page<EnrolmentToken>>> ListEnrolmentTokensAsync(
        string? pool, string? hostname, string? after, int limit, CancellationToken cancel);

    [Delete("/enrolment-tokens/{id}")]
    Task<IApiResponse> DeleteEnrolmentTokenAsync(Guid id, CancellationToken cancel);

    /// <param name="filter">The filters and the order that are given, by the names that the API gives them.</param>
    [Get("/events")]
    Task<IApiResponse<Page<EventRecord>>> ListEventsAsync(
        [Query] IDictionary<string, string> filter, string? after, int limit, CancellationToken cancel);

    [Get("/api/health/connections")]
    Task<IApiResponse<ConnectionHealth>> FindConnectionsAsync(CancellationToken cancel);
}
