namespace Allocator.Polling;

/// <summary>Files that only their owner can read (0600), replaced as a whole: a crash leaves the old one or the new one.</summary>
internal static class PrivateFile
{
    /// <param name="durably">Whether it has to be on the disk at the return, so that a power cut leaves it too.</param>
    public static void Write(string path, string text, bool durably)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var unfinished = path + ".new";
        File.Delete(unfinished);
        using (var stream = new FileStream(unfinished, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        using (var writer = new StreamWriter(stream))
        {
            writer.Write(text);
            writer.Flush();
            stream.Flush(flushToDisk: durably);
        }
        File.Move(unfinished, path, overwrite: true);
    }
}
