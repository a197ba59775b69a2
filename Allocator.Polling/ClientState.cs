using System.Text.Json;
using System.Text.Json.Serialization;
using Allocator.Contracts;
using Microsoft.Extensions.Logging;

namespace Allocator.Polling;

/// <summary>How far the handler has come.</summary>
[JsonConverter(typeof(WireEnumConverter<HandlerPhase>))]
internal enum HandlerPhase
{
    Started,
    Finished,
}

/// <summary>The last run of the handler: for what, in which boot, and how far it came.</summary>
internal sealed record HandlerRun(VmState For, long Generation, Guid? AssignmentId, string BootId, HandlerPhase Phase);

/// <summary>What the client must know after a restart.</summary>
/// <param name="ETag">The ETag of <paramref name="Answer"/>.</param>
/// <param name="Answer">The last answer of the allocator.</param>
/// <param name="Outcome">What the allocator has not yet heard of it.</param>
internal sealed record Remembered(string? ETag, VmAssignment? Answer, HandlerRun? LastRun, OutcomeReport? Outcome);

/// <summary>
/// The client's memory in files that only its user can read (0600): <c>token</c>, and <c>state.json</c> with the last
/// answer. Each is replaced as a whole, so a crash leaves the old one or the new one.
/// </summary>
internal sealed partial class ClientState
{
    private readonly Lock _lock = new();
    private readonly string _folder;
    private readonly ILogger<ClientState> _log;

    public ClientState(AllocatorClientOptions options, ILogger<ClientState> log)
    {
        _folder = options.StateFolder;
        _log = log;
        Token = Read("token", text => text.Trim());
        Remembered = Read("state.json", text => JsonSerializer.Deserialize(text, StateJson.Default.Remembered)) ?? new(null, null, null, null);
    }

    /// <summary>The VM's own token, once it has one.</summary>
    public string? Token { get; private set; }

    public Remembered Remembered { get; private set; }

    public void SaveToken(string token)
    {
        Token = token;
        Write("token", token);
    }

    /// <summary>Changes what is remembered, and the file with it; one change at a time.</summary>
    public void Update(Func<Remembered, Remembered> change)
    {
        lock (_lock)
        {
            Remembered = change(Remembered);
            Write("state.json", JsonSerializer.Serialize(Remembered, StateJson.Default.Remembered));
        }
    }

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
            Directory.CreateDirectory(_folder);
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
                stream.Flush(flushToDisk: true);
            }
            File.Move(unfinished, path, overwrite: true);
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
