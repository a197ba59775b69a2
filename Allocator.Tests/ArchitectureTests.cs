using System.Text.RegularExpressions;
using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests;

/// <summary>
/// Holds the direction of dependencies, by the <c>using</c> directives of the sources: each folder has its own namespace,
/// so a folder depends on exactly those that its files name.
/// </summary>
public sealed partial class ArchitectureTests
{
    /// <summary>The folders of the Api that all features may use.</summary>
    private static readonly HashSet<string> Foundations = ["Data", "Health", "Security", "Settings", "Telemetry", "Web"];

    /// <summary>Pairs of features that use each other, each with its reason.</summary>
    private static readonly Dictionary<(string From, string To), string> Circles = new()
    {
        [("Assignments", "Polling")] = "The wait estimate depends on the poll interval; a claim is a step of an assignment.",
    };

    [Fact]
    public void Foundations_of_the_api_use_no_feature()
    {
        var reversals = Dependencies("Allocator.Api")
            .Where(pair => Foundations.Contains(pair.From) && !Foundations.Contains(pair.To)).ToHashSet();
        Assert.Empty(reversals);
    }

    [Fact]
    public void Features_of_the_api_form_no_other_circles_than_those_named_here()
    {
        var features = Dependencies("Allocator.Api")
            .Where(pair => !Foundations.Contains(pair.From) && !Foundations.Contains(pair.To)).ToHashSet();
        Assert.NotEmpty(features);
        foreach (var (a, b) in Circles.Keys)
        {
            Assert.True(features.Contains((a, b)) && features.Contains((b, a)), $"{a} and {b} use each other no longer: remove the exception");
        }
        features.ExceptWith(Circles.Keys);
        features.ExceptWith(Circles.Keys.Select(pair => (pair.To, pair.From)));
        Assert.Equal("", string.Join(" → ", FindCircle(features)));
    }

    /// <summary>Returns which folders of a project use which others.</summary>
    /// <param name="project">The project, whose name is the root of its namespaces.</param>
    private static HashSet<(string From, string To)> Dependencies(string project)
    {
        var root = Path.Combine(RepositoryRoot.Path, project);
        var dependencies = new HashSet<(string From, string To)>();
        foreach (var file in Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories))
        {
            var folders = Path.GetRelativePath(root, file).Split(Path.DirectorySeparatorChar)[..^1];
            if (folders is ["bin" or "obj", ..])
            {
                continue;
            }
            var from = folders.FirstOrDefault("");
            foreach (var used in Usings(file))
            {
                if (used.StartsWith(project + ".", StringComparison.Ordinal))
                {
                    var to = used[(project.Length + 1)..].Split('.')[0];
                    if (from.Length > 0 && from != to)
                    {
                        dependencies.Add((from, to));
                    }
                }
            }
        }
        return dependencies;
    }

    /// <summary>Returns the folders of a circle, beginning and ending with the same one; empty if there is none.</summary>
    private static IReadOnlyList<string> FindCircle(IReadOnlySet<(string From, string To)> dependencies)
    {
        var done = new HashSet<string>();
        return dependencies.Select(pair => pair.From).Distinct().Order()
            .Select(start => Visit(start, [])).FirstOrDefault(circle => circle.Count > 0) ?? [];

        List<string> Visit(string folder, List<string> path)
        {
            if (path.IndexOf(folder) is >= 0 and var begin)
            {
                return [.. path[begin..], folder];
            }
            if (done.Contains(folder))
            {
                return [];
            }
            var circle = dependencies.Where(pair => pair.From == folder)
                .Select(pair => Visit(pair.To, [.. path, folder])).FirstOrDefault(found => found.Count > 0);
            done.Add(folder);
            return circle ?? [];
        }
    }

    private static IEnumerable<string> Usings(string file) =>
        UsingDirective().Matches(File.ReadAllText(file)).Select(match => match.Groups["namespace"].Value);

    [GeneratedRegex(@"^\s*using (static )?(\w+ = )?(?<namespace>Allocator\.[\w.]+);", RegexOptions.Multiline)]
    private static partial Regex UsingDirective();
}
