namespace Allocator.Tests.Infrastructure;

/// <summary>The folder of the solution.</summary>
internal static class RepositoryRoot
{
    public static string Path { get; } = Find();

    private static string Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(System.IO.Path.Combine(folder.FullName, "Allocator.sln")))
        {
            folder = folder.Parent!;
        }
        return folder.FullName;
    }
}
