namespace Allocator.Contracts;

/// <summary>Body of <c>POST /enrolment-tokens</c>: makes tokens that let machines enrol.</summary>
/// <param name="Pool">Good for this pool only, and for who names none; null: for any.</param>
/// <param name="Hostname">Good for this host name only; null: for any.</param>
/// <param name="Uses">How many machines each token lets in; 1–1,000. One that is in may use it again under the same host name.</param>
/// <param name="ExpiresAt">Until when; in place of <paramref name="ValidFor"/>.</param>
/// <param name="ValidFor">For how long (<c>hh:mm:ss</c>, 1 min – 366 days); a day where neither is given.</param>
/// <param name="Count">How many tokens, all alike; 1–1,000.</param>
public sealed record EnrolmentTokenRequest(
    string? Pool = null,
    string? Hostname = null,
    int Uses = 1,
    DateTime? ExpiresAt = null,
    TimeSpan? ValidFor = null,
    int Count = 1);

/// <summary>Answer of <c>POST /enrolment-tokens</c>.</summary>
public sealed record NewEnrolmentTokens(IReadOnlyList<NewEnrolmentToken> Items);

/// <summary>A token as it is shown this once.</summary>
/// <param name="Id">To find and to delete it by.</param>
/// <param name="Token">What a machine sends as its bearer token to <c>POST /vms</c>; only its hash is kept.</param>
public sealed record NewEnrolmentToken(Guid Id, string Token, DateTime ExpiresAt);

/// <summary>A token that lets machines enrol, without the token itself.</summary>
/// <param name="Pool">The pool that it is bound to; null: any.</param>
/// <param name="Hostname">The host name that it is bound to; null: any.</param>
/// <param name="Uses">How many machines it lets in.</param>
/// <param name="UsesLeft">How many of them can still come.</param>
/// <param name="LastUsedBy">The host name of the machine that came last; null: none did.</param>
/// <param name="CreatedBy">As in <see cref="EventRecord.Actor"/>.</param>
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
