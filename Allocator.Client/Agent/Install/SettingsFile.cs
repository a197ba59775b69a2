using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Allocator.Client.Terminal;
using Microsoft.Extensions.Configuration;

namespace Allocator.Client.Agent.Install;

/// <summary>Changes settings in client.json and keeps everything else in it.</summary>
internal sealed class SettingsFile
{
    private readonly string? _former;
    private readonly JsonObject _settings;
    private bool _isChanged;

    /// <param name="former">The present content; null if there is no file.</param>
    /// <param name="replace">True to start with an empty file.</param>
    /// <exception cref="CommandException">The file is not JSON.</exception>
    public SettingsFile(string? former, bool replace)
    {
        try
        {
            _settings = former is null || replace
                ? []
                : JsonNode.Parse(former, null,
                    new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true })!.AsObject();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new CommandException(ExitCode.WrongUsage,
                $"{InstalledFiles.Configuration} is not a JSON object: {e.Message} Correct it, or pass --replace.");
        }
        (_former, _isChanged) = (former, former is null || replace);
    }

    /// <summary>Gets the content; unchanged to the letter if no setting has changed.</summary>
    public string Text => _isChanged ? Write() : _former!;

    public void Set(string key, string? value)
    {
        if (value is not null && Find(_settings, key)?.ToString() != value)
        {
            Put(_settings, key, JsonValue.Create(value));
        }
    }

    public void Set(string section, string key, string[]? words)
    {
        if (words is not { Length: > 0 })
        {
            return;
        }
        var into = Find(_settings, section) as JsonObject;
        if (into is null)
        {
            Put(_settings, section, into = []);
        }
        if (Find(into, key) is not JsonArray known || !known.Select(word => word?.ToString()).SequenceEqual(words))
        {
            Put(into, key, new JsonArray([.. words.Select(word => (JsonNode?)JsonValue.Create(word))]));
        }
    }

    /// <exception cref="CommandException">The client would not start with these settings.</exception>
    public void Check()
    {
        try
        {
            using var text = new MemoryStream(Encoding.UTF8.GetBytes(Text));
            ClientOptions.Read(new ConfigurationBuilder()
                // An image has no machine-id, boot-id or token file yet.
                .AddInMemoryCollection([new("MachineId", "machine"), new("BootId", "boot")])
                .AddJsonStream(text)
                .AddInMemoryCollection([new("EnrolmentTokenFile", null)])
                .Build());
        }
        catch (Exception e) when (e is ClientOptionsException or FormatException or InvalidDataException)
        {
            throw new CommandException(ExitCode.WrongUsage, $"The client would not start with these settings: {e.Message}");
        }
    }

    private void Put(JsonObject into, string key, JsonNode value)
    {
        // Setting names are case-insensitive.
        foreach (var same in into.Select(setting => setting.Key).Where(known => known.Equals(key, StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            into.Remove(same);
        }
        into[key] = value;
        _isChanged = true;
    }

    private static JsonNode? Find(JsonObject into, string key) =>
        into.FirstOrDefault(setting => setting.Key.Equals(key, StringComparison.OrdinalIgnoreCase)).Value;

    private string Write()
    {
        using var text = new MemoryStream();
        using (var writer = new Utf8JsonWriter(text,
            new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            _settings.WriteTo(writer);
        }
        return Encoding.UTF8.GetString(text.ToArray()) + "\n";
    }
}
