using Allocator.Polling;
using Microsoft.Extensions.Configuration;

namespace Allocator.Client;

/// <summary>
/// The program's settings: from <c>/etc/allocator/client.json</c> (or <c>--config</c>), the environment
/// (<c>ALLOCATOR_Url</c>, <c>ALLOCATOR_Hooks__Assigned__0</c>, …) and the command line; the later ones win.
/// </summary>
internal sealed record ClientOptions : AllocatorClientOptions
{
    /// <summary>The program (with its arguments) that prepares the VM for a person; empty: nothing has to be done.</summary>
    public IReadOnlyList<string> AssignedHook { get; init; } = [];

    /// <summary>The program (with its arguments) that removes what the person left; empty: nothing has to be done.</summary>
    public IReadOnlyList<string> ReleasedHook { get; init; } = [];

    /// <summary>The program (with its arguments) that is told when the allocator has been silent for long, and when it answers again.</summary>
    public IReadOnlyList<string> LostContactHook { get; init; } = [];

    /// <summary>How long a hook may run; 1 s – 1 hour.</summary>
    public TimeSpan HookTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <exception cref="ClientOptionsException">A setting is missing or wrong; the message names it and what would be right.</exception>
    public static ClientOptions Read(IConfiguration configuration) => new()
    {
        Url = ReadUrl(configuration["Url"]),
        Hostname = (Text(configuration, "Hostname") ?? Environment.MachineName).ToLowerInvariant(),
        Pool = Text(configuration, "Pool"),
        MachineId = Text(configuration, "MachineId") ?? ReadFile("/etc/machine-id", "MachineId"),
        BootId = Text(configuration, "BootId") ?? ReadFile("/proc/sys/kernel/random/boot_id", "BootId"),
        EnrolmentToken = EnrolmentTokenSource(configuration),
        StateFolder = Text(configuration, "StateFolder") ?? "/var/lib/allocator",
        RuntimeFolder = Text(configuration, "RuntimeFolder"),
        AssignedHook = Program(configuration, "Hooks:Assigned"),
        ReleasedHook = Program(configuration, "Hooks:Released"),
        LostContactHook = Program(configuration, "Hooks:LostContact"),
        HookTimeout = Time(configuration, "Hooks:Timeout", TimeSpan.FromMinutes(2), TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
        LostContactAfter = Time(configuration, "LostContactAfter", TimeSpan.FromMinutes(5), TimeSpan.FromSeconds(10), TimeSpan.FromDays(1)),
        FirstPollWithin = Time(configuration, "FirstPollWithin", TimeSpan.FromSeconds(15), TimeSpan.Zero, TimeSpan.FromMinutes(5)),
        RequestTimeout = Time(configuration, "RequestTimeout", TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(5)),
    };

    private static Func<CancellationToken, ValueTask<string?>>? EnrolmentTokenSource(IConfiguration configuration) =>
        (Text(configuration, "EnrolmentToken")
            ?? (Text(configuration, "EnrolmentTokenFile") is { } file ? ReadFile(file, "EnrolmentTokenFile") : null)) is { } token
            ? _ => new(token)
            : null;

    private static Uri ReadUrl(string? text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
            ? url
            : throw Wrong("Url", text, "the allocator's address, such as https://allocator.example.org");

    private static string? Text(IConfiguration configuration, string key) =>
        configuration[key] is { } text && !string.IsNullOrWhiteSpace(text) ? text.Trim() : null;

    /// <summary>None, or a program with its arguments. A hook that is overlooked would let people in unprepared.</summary>
    private static string[] Program(IConfiguration configuration, string key)
    {
        string[] words = [.. configuration.GetSection(key).GetChildren().Select(child => child.Value ?? "")];
        return configuration[key] is { Length: > 0 } text ? throw Wrong(key, text, $"a list: {key}:0 is the program, {key}:1 its first argument, …")
            : words is [var program, ..] && string.IsNullOrWhiteSpace(program) ? throw Wrong($"{key}:0", program, "a program")
            : words;
    }

    private static TimeSpan Time(IConfiguration configuration, string key, TimeSpan usual, TimeSpan least, TimeSpan most) =>
        Text(configuration, key) is not { } text ? usual
        : TimeSpan.TryParse(text, null, out var time) && time >= least && time <= most ? time
        : throw Wrong(key, text, $"a time (hh:mm:ss) from {least} to {most}");

    private static string ReadFile(string path, string key)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Wrong(key, path, $"set, or the file readable ({e.Message})");
        }
    }

    private static ClientOptionsException Wrong(string key, string? value, string whatWouldBeRight) => new(
        $"{key} (environment variable ALLOCATOR_{key.Replace(":", "__", StringComparison.Ordinal)}) is '{value}'; it must be {whatWouldBeRight}.");
}

/// <summary>A setting of the client is missing or wrong.</summary>
internal sealed class ClientOptionsException(string message) : Exception(message);
