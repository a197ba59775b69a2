using Allocator.Client.Terminal;

namespace Allocator.Client.Admin;

/// <summary>A file that only its owner can read. Another of that name stays as it is until this one is complete.</summary>
internal sealed class SecretFile : IDisposable
{
    private readonly string _path;
    private readonly string _unfinished;
    private readonly FileStream _stream;

    /// <exception cref="CommandException">It cannot be written.</exception>
    public SecretFile(string path)
    {
        (_path, _unfinished) = (path, $"{path}.{Path.GetRandomFileName()}");
        _stream = Try(() => new FileStream(_unfinished, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }));
    }

    public void Write(ReadOnlyMemory<byte> content) => Try(() =>
    {
        _stream.Write(content.Span);
        _stream.Flush(flushToDisk: true);
        File.Move(_unfinished, _path, overwrite: true);
        return true;
    });

    public void Dispose()
    {
        _stream.Dispose();
        File.Delete(_unfinished);
    }

    private T Try<T>(Func<T> write)
    {
        try
        {
            return write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.WrongUsage, $"{_path} cannot be written: {e.Message}");
        }
    }
}
