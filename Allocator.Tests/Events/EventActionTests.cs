using System.Text.RegularExpressions;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Events;

/// <summary>The catalogue of event actions is complete, and the documentation lists the same actions.</summary>
public sealed partial class EventActionTests
{
    [Fact]
    public void Catalogue_describes_every_action_once()
    {
        var names = typeof(EventActions).GetFields().Where(field => field.IsLiteral).Select(field => (string)field.GetRawConstantValue()!);

        Assert.Equal(names, EventActions.All.Select(action => action.Name));
        Assert.Equal(EventActions.All.Count, EventActions.All.Select(action => action.Name).Distinct().Count());
        // An assignment that ends is recorded under the reason of its end.
        Assert.Empty(Enum.GetNames<EndReason>().Select(reason => reason.ToLowerInvariant()).Except(names));
    }

    [Fact]
    public void Documentation_lists_the_same_actions_with_the_same_words()
    {
        var rows = Row().Matches(File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "events.md")));

        Assert.Equal(
            EventActions.All.Select(action => (action.Name, action.Meaning, List(action.Actors), List(action.Subjects))),
            rows.Select(row => (row.Groups[1].Value, row.Groups[2].Value, row.Groups[3].Value, row.Groups[4].Value)));
    }

    private static string List(IEnumerable<string> items) => string.Join(", ", items.Select(item => $"`{item}`"));

    [GeneratedRegex(@"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ?([^|]*) \|$", RegexOptions.Multiline)]
    private static partial Regex Row();
}
