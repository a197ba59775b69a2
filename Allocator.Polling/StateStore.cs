using System.Text.Json;
using Allocator.Contracts;
using Microsoft.Extensions.Logging;

namespace Allocator.Polling;

/// <summary>What the client must know after a restart.</summary>
/// <param name="ETag">The ETag of <paramref name="Answer"/>.</param>
/// <param name="Answer">The last answer of the allocator.</param>
/// <param name="Outcome">What the allocator has not yet heard of it.</param>
/// <param name="BootId">The boot whose start has been reported.</param>
internal sealed record PersistedState(
    string? ETag, VmAssignment? Answer, HandlerRun? LastRun, OutcomeReport? Outcome, string? BootId = null, HandlerRun? LastFailedRun = null);

/// <summary>The client's memory, in two files: <c>token</c>, and <c>state.json</c> with the last answer.</summary>
internal sealed partial class StateStore
{
    private readonly Lock _lock = new();
    private readonly string _folder;
    private readonly bool _keepsNothing;
    private readonly StatusWriter _status;
    private readonly VmReports _reports;
    private readonly ILogger<StateStore> _log;
    private readonly RepeatedFailure _trouble;
    private readonly Dictionary<string, string> _unwritten = [];

    public StateStore(AllocatorClientOptions options, StatusWriter status, VmReports reports, TimeProvider time, ILogger<StateStore> log)
    {
        (_folder, _status, _reports, _log, _trouble) = (options.StateFolder, status, reports, log, new RepeatedFailure(time));
        _keepsNothing = options.KeepsNothing;
        Token = Read("token", text => text.Trim());
        Current = Read("state.json", text => JsonSerializer.Deserialize(text, StateJson.Default.PersistedState)) ?? new(null, null, null, null);
        Show();
    }

    /// <summary>The VM's own token, once it has one.</summary>
    public string? Token { get; private set; }

    public PersistedState Current { get; private set; }

    public void SaveToken(string token)
    {
        lock (_lock)
        {
            Token = token;
            Write("token", token);
            Show();
        }
    }

    /// <summary>Writes what could not be written before, if that is possible now.</summary>
    public void WriteUnwritten()
    {
        lock (_lock)
        {
            foreach (var (name, text) in _unwritten.ToArray())
            {
                Write(name, text);
            }
        }
    }

    /// <summary>Changes what is remembered, and the file with it; one change at a time.</summary>
    public void Update(Func<PersistedState, PersistedState> change)
    {
        lock (_lock)
        {
            Current = change(Current);
            Write("state.json", JsonSerializer.Serialize(Current, StateJson.Default.PersistedState));
            Show();
        }
    }

    /// <summary>Lets people on the VM see what is remembered, but not what the person's desktop is started with.</summary>
    private void Show() => _status.Update(status => status with
    {
        Enrolled = Token is not null,
        Answer = Current.Answer is { Assignment: { } person } answer ? answer with { Assignment = person with { Command = null } } : Current.Answer,
        LastRun = Current.LastRun,
        LastFailedRun = Current.LastFailedRun,
        OutcomeUnheard = Current.Outcome is not null,
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
            if (_unwritten.Count == 0 && _trouble.End())
            {
                Log.Writable(_log, _folder);
                Warn(null);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Polling goes on from memory; only a restart now would forget.
            _unwritten[name] = text;
            if (_trouble.IsNews(e.GetType().Name + e.HResult))
            {
                Log.Unwritable(_log, path, e.Message);
                Warn($"{_folder} cannot be written; a restart would forget the VM's token or its person: {e.Message}");
            }
        }
    }

    private void Warn(string? words) => _reports.Report(new VmReport(Warnings: new Dictionary<string, string?> { ["state"] = words }));

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "{Path} cannot be read, going on without it: {Error}")]
        public static partial void Unreadable(ILogger log, string path, string error);

        [LoggerMessage(Level = LogLevel.Error, Message = "{Path} cannot be written, a restart would forget what is in it; it is tried with each poll: {Error}")]
        public static partial void Unwritable(ILogger log, string path, string error);

        [LoggerMessage(Level = LogLevel.Information, Message = "{Folder} can be written again, and nothing would be forgotten")]
        public static partial void Writable(ILogger log, string folder);
    }
}
