using System.Text.Json;
using Allocator.Contracts;
using Microsoft.Extensions.Logging;

namespace Allocator.Polling;

/// <summary>What the client must know after a restart.</summary>
/// <param name="ETag">The ETag of <paramref name="Answer"/>.</param>
/// <param name="Answer">The last answer of the allocator.</param>
/// <param name="Outcome">What the allocator has not yet heard of it.</param>
internal sealed record Remembered(string? ETag, VmAssignment? Answer, HandlerRun? LastRun, OutcomeReport? Outcome, HandlerRun? LastFailedRun = null);

/// <summary>The client's memory, in two files: <c>token</c>, and <c>state.json</c> with the last answer.</summary>
internal sealed partial class ClientState
{
    private readonly Lock _lock = new();
    private readonly string _folder;
    private readonly StatusFile _status;
    private readonly ILogger<ClientState> _log;

    public ClientState(AllocatorClientOptions options, StatusFile status, ILogger<ClientState> log)
    {
        (_folder, _status, _log) = (options.StateFolder, status, log);
        Token = Read("token", text => text.Trim());
        Remembered = Read("state.json", text => JsonSerializer.Deserialize(text, StateJson.Default.Remembered)) ?? new(null, null, null, null);
        Show();
    }

    /// <summary>The VM's own token, once it has one.</summary>
    public string? Token { get; private set; }

    public Remembered Remembered { get; private set; }

    public void SaveToken(string token)
    {
        Token = token;
        Write("token", token);
        Show();
    }

    /// <summary>Changes what is remembered, and the file with it; one change at a time.</summary>
    public void Update(Func<Remembered, Remembered> change)
    {
        lock (_lock)
        {
            Remembered = change(Remembered);
            Write("state.json", JsonSerializer.Serialize(Remembered, StateJson.Default.Remembered));
            Show();
        }
    }

    /// <summary>Lets people on the VM see what is remembered, but not what the person's desktop is started with.</summary>
    private void Show() => _status.Update(status => status with
    {
        Enrolled = Token is not null,
        Answer = Remembered.Answer is { Assignment: { } person } answer ? answer with { Assignment = person with { Command = null } } : Remembered.Answer,
        LastRun = Remembered.LastRun,
        LastFailedRun = Remembered.LastFailedRun,
        OutcomeUnheard = Remembered.Outcome is not null,
    });

    private T? Read<T>(string name, Func<string, T?> parse)
        where T : class
    {
        var path = Path.Combine(_folder, name);
        try
        {
            return File.Exists(path) ? parse(File.ReadAllText(path)) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            Log.Unreadable(_log, path, e.Message);
            return null;
        }
    }

    private void Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        try
        {
            PrivateFile.Write(path, text, durably: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Polling goes on from memory; only a restart now would forget.
            Log.Unwritable(_log, path, e.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "{Path} cannot be read, going on without it: {Error}")]
        public static partial void Unreadable(ILogger log, string path, string error);

        [LoggerMessage(Level = LogLevel.Error, Message = "{Path} cannot be written, a restart would forget the last answer: {Error}")]
        public static partial void Unwritable(ILogger log, string path, string error);
    }
}
