namespace Allocator.Contracts;

/// <summary>One page of a list that is paged by key.</summary>
/// <param name="Next">The value of <c>after</c> for the next page; null on the last page.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? Next);
