using Allocator.Tests.Infrastructure;
using Xunit;

namespace Allocator.Tests.Client;

/// <summary>Holds the direction of dependencies in the program <c>allocator</c>.</summary>
public sealed class ClientArchitectureTests
{
    [Theory]
    [InlineData("Agent", "Admin")]
    [InlineData("Admin", "Agent")]
    [InlineData("Terminal", "Admin")]
    [InlineData("Terminal", "Agent")]
    public async Task Folder_of_the_client_does_not_use_another(string folder, string other)
    {
        var files = Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "Allocator.Client", folder), "*.cs", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        foreach (var file in files)
        {
            Assert.DoesNotContain($"Allocator.Client.{other}", await File.ReadAllTextAsync(file), StringComparison.Ordinal);
        }
    }
}
