using Allocator.Api.Data;
using Allocator.Api.Web;
using Allocator.Contracts;

namespace Allocator.Api.Assignments;

/// <summary>Selects assignments for a list or a bulk change; a null matches every assignment.</summary>
internal sealed record AssignmentFilter(
    string? Pool = null,
    AssignmentState? State = null,
    Hostname? Hostname = null,
    string? Email = null,
    string? Text = null,
    IReadOnlyList<Guid>? Ids = null)
{
    /// <summary>The condition on an assignment <c>a</c>. Its parameters <c>$1</c> to <c>$6</c> are <see cref="Values"/>.</summary>
    public const string Where =
        """
        ($1::text is null or a.pool = $1)
        and ($2::text is null or a.state = $2)
        and ($3::text is null or a.hostname = $3)
        and ($4::text is null or a.email_key = $4)
        and ($5::text is null or strpos(a.email_key, $5) > 0 or strpos(a.hostname, $5) > 0)
        and ($6::uuid[] is null or a.id = any ($6))
        """;

    public AssignmentFilter(AssignmentSelection selection)
        : this(selection.Pool, selection.State, Web.Hostname.Of(selection.Hostname), selection.Email, selection.Text, selection.Ids)
    {
    }

    public object?[] Values =>
    [
        Pool, State?.Text(), Hostname?.ToString(), Email is null ? null : EmailKey.Of(Email),
        Text?.ToLowerInvariant(), Ids?.ToArray(),
    ];
}
