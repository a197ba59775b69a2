using System.Text.RegularExpressions;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests;

/// <summary>The documents are short where they have to be, complete, and their links resolve.</summary>
public sealed partial class DocumentsTests
{
    private static readonly string[] Documents =
    [
        .. Directory.EnumerateFiles(RepositoryRoot.Path, "*.md"),
        .. Directory.EnumerateFiles(Path.Combine(RepositoryRoot.Path, "docs"), "*.md", SearchOption.AllDirectories),
        .. Directory.EnumerateFiles(Path.Combine(RepositoryRoot.Path, "infra"), "*.md", SearchOption.AllDirectories),
        .. Directory.EnumerateDirectories(RepositoryRoot.Path, "Allocator.*").SelectMany(folder => Directory.EnumerateFiles(folder, "*.md")),
        Path.Combine(RepositoryRoot.Path, "Allocator.Client", "hooks", "README.md"),
    ];

    [Fact]
    public void Readme_has_at_most_900_words() =>
        Assert.InRange(Word().Count(File.ReadAllText(Path.Combine(RepositoryRoot.Path, "README.md"))), 1, 900);

    [Fact]
    public void Every_relative_link_resolves()
    {
        var links = Documents.SelectMany(document => Link().Matches(File.ReadAllText(document)), (document, match) =>
            (document, link: match.Groups[1].Value))
            .Where(found => !found.link.Contains("://", StringComparison.Ordinal)).ToArray();

        Assert.NotEmpty(links);
        Assert.All(links, found => Assert.True(Resolves(found.document, found.link), $"{found.document}: {found.link}"));
    }

    [Fact]
    public void Index_names_every_document()
    {
        var folder = Path.Combine(RepositoryRoot.Path, "docs");
        var links = Link().Matches(File.ReadAllText(Path.Combine(folder, "README.md"))).Select(match => match.Groups[1].Value);
        var documents = Directory.EnumerateFiles(folder, "*.md", SearchOption.AllDirectories)
            .Select(document => Path.GetRelativePath(folder, document).Replace('\\', '/'));

        Assert.Equal(["README.md"], documents.Except(links));
    }

    private static bool Resolves(string document, string link)
    {
        var parts = link.Split('#');
        var target = parts[0].Length == 0 ? document : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(document)!, parts[0]));
        return parts.Length == 1
            ? Path.Exists(target)
            : File.Exists(target) && Heading().Matches(File.ReadAllText(target)).Any(match => Anchor(match.Groups[1].Value) == parts[1]);
    }

    /// <summary>Returns the anchor that GitHub gives a heading.</summary>
    private static string Anchor(string heading) => NotInAnchor().Replace(heading.Trim().ToLowerInvariant(), "").Replace(' ', '-');

    [GeneratedRegex(@"\S+")]
    private static partial Regex Word();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex("^#+ (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\p{L}\p{N} _-]")]
    private static partial Regex NotInAnchor();
}
