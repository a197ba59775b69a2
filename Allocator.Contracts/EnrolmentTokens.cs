namespace Allocator.Contracts;

/// <summary>Body of <c>POST /enrolment-tokens</c>: creates enrolment tokens.</summary>
/// <param name="Pool">The only pool for which the tokens are valid, and the default of machines that name none; null for any pool.</param>
/// <param name="Hostname">The only host name for which the tokens are valid; null for any.</param>
/// <param name="Uses">The number of machines that each token admits; 1–1,000. An admitted machine can use it again under the same host name.</param>
/// <param name="ExpiresAt">The time at which the tokens expire; instead of <paramref name="ValidFor"/>.</param>
/// <param name="ValidFor">The lifetime of the tokens (<c>hh:mm:ss</c>, 1 min – 366 days); one day if neither is given.</param>
/// <param name="Count">The number of tokens to create; 1–1,000.</param>
public sealed record EnrolmentTokenRequest(
    string? Pool = null,
    string? Hostname = null,
    int Uses = 1,
    DateTime? ExpiresAt = null,
    TimeSpan? ValidFor = null,
    int Count = 1);

/// <summary>Answer of <c>POST /enrolment-tokens</c>.</summary>
public sealed record NewEnrolmentTokens(IReadOnlyList<NewEnrolmentToken> Items);

/// <summary>A new token, which is shown only once.</summary>
/// <param name="Id">The id by which the token is listed and deleted.</param>
/// <param name="Token">The bearer token for <c>POST /vms</c>; the allocator stores only its hash.</param>
public sealed record NewEnrolmentToken(Guid Id, string Token, DateTime ExpiresAt);

/// <summary>An enrolment token, without the secret.</summary>
/// <param name="Pool">The pool for which the token is valid; null for any.</param>
/// <param name="Hostname">The host name for which the token is valid; null for any.</param>
/// <param name="Uses">The number of machines that the token admits.</param>
/// <param name="UsesLeft">The number of machines that it can still admit.</param>
/// <param name="LastUsedBy">The host name of the machine that used it last; null if unused.</param>
/// <param name="CreatedBy">The admin who created it, as in <see cref="EventRecord.Actor"/>.</param>
public sealed record EnrolmentToken(
    Guid Id,
    string? Pool,
    string? Hostname,
    int Uses,
    int UsesLeft,
    DateTime ExpiresAt,
    string? LastUsedBy,
    DateTime? LastUsedAt,
    string CreatedBy,
    DateTime CreatedAt);
