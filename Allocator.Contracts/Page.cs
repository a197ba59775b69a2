namespace Allocator.Contracts;

/// <summary>One page of a list that is paged by key.</summary>
/// <param name="Next">What to give as <c>after</c> to get the next page; null on the last.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? Next);
