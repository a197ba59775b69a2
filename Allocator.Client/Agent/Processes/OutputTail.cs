using System.Text;

namespace Allocator.Client.Agent.Processes;

/// <summary>Reads a stream to its end and keeps the last part of it.</summary>
internal sealed class OutputTail
{
    private const int MaxLength = 64 * 1024;

    private readonly StringBuilder _kept = new();
    private readonly Task _reading;

    public OutputTail(StreamReader reader) => _reading = ReadAsync(reader);

    public string Text
    {
        get
        {
            lock (_kept)
            {
                return _kept.ToString();
            }
        }
    }

    /// <summary>Waits for the end of the stream, at most as long as the grace period.</summary>
    public async Task WaitAsync(TimeSpan grace, TimeProvider time) =>
        await _reading.WaitAsync(grace, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private async Task ReadAsync(StreamReader reader)
    {
        var buffer = new char[4096];
        int read;
        while ((read = await reader.ReadAsync(buffer)) > 0)
        {
            lock (_kept)
            {
                _kept.Append(buffer, 0, read);
                // Removing moves the rest, so it is not done for each buffer.
                if (_kept.Length > 2 * MaxLength)
                {
                    _kept.Remove(0, _kept.Length - MaxLength);
                }
            }
        }
    }
}
