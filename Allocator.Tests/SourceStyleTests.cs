using System.Globalization;
using System.Text.RegularExpressions;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests;

/// <summary>Checks the rules of <c>.editorconfig</c> that neither the compiler nor an analyzer checks.</summary>
public sealed partial class SourceStyleTests
{
    private static readonly string[] NotSource = ["bin", "obj", ".git", ".run", "artifacts", "node_modules"];

    [Fact]
    public void No_line_is_longer_than_max_line_length()
    {
        var settings = File.ReadAllText(Path.Combine(RepositoryRoot.Path, ".editorconfig"));
        var max = int.Parse(MaxLineLength().Match(settings).Groups[1].Value, CultureInfo.InvariantCulture);
        var files = SourceFiles(RepositoryRoot.Path).ToList();
        Assert.True(files.Count > 100, $"{files.Count} files");

        Assert.Empty(files.SelectMany(file => File.ReadLines(file)
            .Select((line, i) => (Number: i + 1, line.Length))
            .Where(line => line.Length > max)
            .Select(line => $"{Path.GetRelativePath(RepositoryRoot.Path, file)}:{line.Number} has {line.Length} characters")));
    }

    private static IEnumerable<string> SourceFiles(string folder) => Directory.EnumerateFiles(folder, "*.cs").Concat(
        Directory.EnumerateDirectories(folder).Where(child => !NotSource.Contains(Path.GetFileName(child))).SelectMany(SourceFiles));

    [GeneratedRegex(@"^\[\*\.cs\]\n+max_line_length = (\d+)$", RegexOptions.Multiline)]
    private static partial Regex MaxLineLength();
}
