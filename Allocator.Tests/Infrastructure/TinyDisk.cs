using System.Diagnostics;
using Xunit;

namespace Allocator.Tests.Infrastructure;

/// <summary>A file system of 64 KB.</summary>
internal sealed class TinyDisk(string folder) : IAsyncDisposable
{
    public string Folder => folder;

    private string Ballast => Path.Combine(folder, "ballast");

    public static async Task<TinyDisk> MountAsync(string folder)
    {
        Directory.CreateDirectory(folder);
        var isMounted = await RunAsync("mount", "-t", "tmpfs", "-o", "size=64k", "none", folder) == 0;
        Assert.SkipUnless(isMounted || Environment.GetEnvironmentVariable("CI") is not null, "Only root can mount a small disk.");
        Assert.True(isMounted, "A small disk can be mounted");
        return new TinyDisk(folder);
    }

    public void Fill()
    {
        using var ballast = new FileStream(Ballast, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        try
        {
            while (true)
            {
                ballast.Write(new byte[4096]);
            }
        }
        catch (IOException)
        {
            // The disk is full.
        }
    }

    public void Empty() => File.Delete(Ballast);

    public async ValueTask DisposeAsync() => Assert.Equal(0, await RunAsync("umount", "-l", folder));

    private static async Task<int> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}
