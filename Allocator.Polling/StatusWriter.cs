using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Allocator.Polling;

/// <summary>
/// Writes <see cref="ClientStatus"/> to its file, whenever something has changed. Where only times have changed, it writes
/// at each poll in memory, but once a minute on a disk.
/// </summary>
internal sealed partial class StatusWriter
{
    private static readonly TimeSpan DiskInterval = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly string _path;
    private readonly bool _isOnDisk;
    private readonly bool _keepsNothing;
    private readonly TimeProvider _time;
    private readonly ILogger<StatusWriter> _log;

    private ClientStatus _status;
    private ClientStatus? _written;
    private long _writtenAt;
    private (long From, TimeSpan Wait) _due;
    private string? _error;

    public StatusWriter(AllocatorClientOptions options, TimeProvider time, ILogger<StatusWriter> log)
    {
        _path = options.StatusPath;
        (_isOnDisk, _keepsNothing) = (options.RuntimeFolder is null, options.KeepsNothing);
        (_time, _log) = (time, log);
        _status = new ClientStatus
        {
            Hostname = options.Hostname,
            Url = options.Url,
            Pool = options.Pool,
            ProcessId = Environment.ProcessId,
            StartedAt = time.GetUtcNow(),
        };
        _due = (time.GetTimestamp(), TimeSpan.Zero);
    }

    public ClientStatus Current
    {
        get
        {
            lock (_lock)
            {
                return _status;
            }
        }
    }

    /// <summary>
    /// Gets how long the next poll has been overdue; zero or less while it is not. Uses the monotonic clock, so that a
    /// corrected date does not make a poll overdue.
    /// </summary>
    public TimeSpan Overdue
    {
        get
        {
            lock (_lock)
            {
                return _time.GetElapsedTime(_due.From) - _due.Wait;
            }
        }
    }

    public void Update(Func<ClientStatus, ClientStatus> change)
    {
        lock (_lock)
        {
            var former = _status;
            _status = change(former);
            if (_status.NextPollAt != former.NextPollAt)
            {
                _due = (_time.GetTimestamp(), _status.NextPollAt is { } next ? next - _time.GetUtcNow() : TimeSpan.Zero);
            }
            var withoutTimes = _status with { PolledAt = null, AnsweredAt = null, NextPollAt = null };
            if (withoutTimes == _written && _isOnDisk && _time.GetElapsedTime(_writtenAt) < DiskInterval)
            {
                return;
            }
            (_written, _writtenAt) = (withoutTimes, _time.GetTimestamp());
            Write();
        }
    }

    private void Write()
    {
        if (_keepsNothing)
        {
            return;
        }
        try
        {
            PrivateFile.Write(_path, JsonSerializer.Serialize(_status, StatusJson.Default.ClientStatus), durably: false);
            _error = null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (e.Message != _error)
            {
                _error = e.Message;
                Log.Unwritable(_log, _path, e.Message);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "Cannot write {Path}; `allocator status` will show stale data: {Error}")]
        public static partial void Unwritable(ILogger log, string path, string error);
    }
}
