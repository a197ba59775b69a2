using System.Text;

namespace Allocator.Polling;

/// <summary>
/// Writes a file that only its owner can read (0600). The file replaces a former one as a whole, so a crash leaves either
/// the old content or the new one.
/// </summary>
internal sealed class PrivateFile : IDisposable
{
    private readonly string _path;
    private readonly FileStream _stream;

    /// <summary>Opens an unfinished file next to <paramref name="path"/>, which stays unchanged until <see cref="Commit"/>.</summary>
    public PrivateFile(string path)
    {
        (_path, UnfinishedPath) = (path, path + ".unfinished");
        File.Delete(UnfinishedPath);
        _stream = new FileStream(UnfinishedPath, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            // Unbuffered, so that closing it on a full disk does not fail a second time.
            BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
    }

    public string UnfinishedPath { get; }

    /// <param name="durably">True to flush to the disk first, so that the content survives a power cut.</param>
    public static void Write(string path, string text, bool durably)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var file = new PrivateFile(path);
        file.Write(text);
        file.Commit(durably);
    }

    public void Write(string text) => _stream.Write(Encoding.UTF8.GetBytes(text));

    /// <inheritdoc cref="Write(string, string, bool)"/>
    public void Commit(bool durably)
    {
        _stream.Flush(flushToDisk: durably);
        File.Move(UnfinishedPath, _path, overwrite: true);
    }

    public void Dispose()
    {
        _stream.Dispose();
        File.Delete(UnfinishedPath);
    }
}
