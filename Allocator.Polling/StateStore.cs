using System.Text.Json;
using Allocator.Contracts;
using Microsoft.Extensions.Logging;

namespace Allocator.Polling;

/// <summary>The state that the client restores after a restart.</summary>
/// <param name="ETag">The ETag of <paramref name="Answer"/>.</param>
/// <param name="Answer">The allocator's last answer.</param>
/// <param name="Outcome">The outcome that has not been reported yet.</param>
/// <param name="BootId">The boot whose startup times have been reported.</param>
internal sealed record PersistedState(
    string? ETag, VmAssignment? Answer, HandlerRun? LastRun, OutcomeReport? Outcome, string? BootId = null, HandlerRun? LastFailedRun = null);

/// <summary>Keeps the client's state in two files: <c>token</c>, and <c>state.json</c> with the last answer.</summary>
internal sealed partial class StateStore
{
    private readonly Lock _lock = new();
    private readonly string _folder;
    private readonly bool _keepsNothing;
    private readonly StatusWriter _status;
    private readonly VmReports _reports;
    private readonly ILogger<StateStore> _log;
    private readonly RepeatedFailure _writeFailure;
    private readonly Dictionary<string, string> _unwritten = [];

    public StateStore(AllocatorClientOptions options, StatusWriter status, VmReports reports, TimeProvider time, ILogger<StateStore> log)
    {
        (_folder, _status, _reports, _log, _writeFailure) = (options.StateFolder, status, reports, log, new RepeatedFailure(time));
        _keepsNothing = options.KeepsNothing;
        Token = Read("token", text => text.Trim());
        Current = Read("state.json", text => JsonSerializer.Deserialize(text, StateJson.Default.PersistedState)) ?? new(null, null, null, null);
        UpdateStatus();
    }

    /// <summary>Gets the VM's own token; null until it has enrolled.</summary>
    public string? Token { get; private set; }

    public PersistedState Current { get; private set; }

    public void SaveToken(string token)
    {
        lock (_lock)
        {
            Token = token;
            Write("token", token);
            UpdateStatus();
        }
    }

    /// <summary>Retries writing the files that could not be written.</summary>
    public void RetryWrites()
    {
        lock (_lock)
        {
            foreach (var (name, text) in _unwritten.ToArray())
            {
                Write(name, text);
            }
        }
    }

    /// <summary>Changes the state and writes it; one change at a time.</summary>
    public void Update(Func<PersistedState, PersistedState> change)
    {
        lock (_lock)
        {
            Current = change(Current);
            Write("state.json", JsonSerializer.Serialize(Current, StateJson.Default.PersistedState));
            UpdateStatus();
        }
    }

    /// <summary>Copies the state into the status file, without the person's remote desktop command.</summary>
    private void UpdateStatus() => _status.Update(status => status with
    {
        Enrolled = Token is not null,
        Answer = Current.Answer is { Assignment: { } person } answer
            ? answer with { Assignment = person with { Command = null } }
            : Current.Answer,
        LastRun = Current.LastRun,
        LastFailedRun = Current.LastFailedRun,
        OutcomePending = Current.Outcome is not null,
    });

    private T? Read<T>(string name, Func<string, T?> parse)
        where T : class
    {
        var path = Path.Combine(_folder, name);
        try
        {
            return !_keepsNothing && File.Exists(path) ? parse(File.ReadAllText(path)) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            Log.Unreadable(_log, path, e.Message);
            return null;
        }
    }

    private void Write(string name, string text)
    {
        if (_keepsNothing)
        {
            return;
        }
        var path = Path.Combine(_folder, name);
        try
        {
            PrivateFile.Write(path, text, durably: true);
            _unwritten.Remove(name);
            if (_unwritten.Count == 0 && _writeFailure.End())
            {
                Log.Writable(_log, _folder);
                Warn(null);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Polling continues from memory; only a restart would lose the state.
            _unwritten[name] = text;
            if (_writeFailure.ShouldLog(e.GetType().Name + e.HResult))
            {
                Log.Unwritable(_log, path, e.Message);
                Warn($"{_folder} cannot be written; a restart would lose the VM's token or assignment: {e.Message}");
            }
        }
    }

    private void Warn(string? warning) => _reports.Report(new VmReport(Warnings: new Dictionary<string, string?> { ["state"] = warning }));

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "Cannot read {Path}; continuing without it: {Error}")]
        public static partial void Unreadable(ILogger log, string path, string error);

        [LoggerMessage(Level = LogLevel.Error, Message = "Cannot write {Path}; a restart would lose its content. Retrying at each poll: {Error}")]
        public static partial void Unwritable(ILogger log, string path, string error);

        [LoggerMessage(Level = LogLevel.Information, Message = "{Folder} is writable again; state saved")]
        public static partial void Writable(ILogger log, string folder);
    }
}
