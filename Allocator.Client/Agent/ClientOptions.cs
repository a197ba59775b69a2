using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Allocator.Client.Agent.Processes;
using Allocator.Polling;
using Microsoft.Extensions.Configuration;

namespace Allocator.Client.Agent;

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

    /// <summary>The VM is ready once this file is there and <see cref="ReadyCommand"/> says so; null: no file is waited for.</summary>
    public string? ReadyFile { get; init; }

    /// <summary>The program (with its arguments) that ends with 0 once the VM is ready; empty: none is asked.</summary>
    public IReadOnlyList<string> ReadyCommand { get; init; } = [];

    /// <summary>What tells whether the GPU answers; empty: nobody is asked.</summary>
    public string GpuProgram { get; init; } = "nvidia-smi";

    /// <summary>Between two looks at the GPU; 1 s – 1 hour.</summary>
    public TimeSpan GpuInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>The program that the workshop is about; null: whether it runs is not reported.</summary>
    public string? InUseProcess { get; init; }

    /// <summary>On the disk to watch.</summary>
    public string DiskPath { get; init; } = "/";

    /// <summary>A disk that is fuller is warned of; percent, 1–100.</summary>
    public int DiskWarnAbove { get; init; } = 95;

    /// <summary>Where the kernel shows its processes.</summary>
    public string ProcFolder { get; init; } = "/proc";

    /// <summary>What tells why the machine goes down.</summary>
    public string SystemctlProgram { get; init; } = "systemctl";

    /// <summary>Whether there is nothing to wait for before people can come.</summary>
    public bool IsReadyAtOnce => ReadyFile is null && ReadyCommand.Count == 0;

    /// <exception cref="ClientOptionsException">A setting is missing or wrong; the message names it and what would be right.</exception>
    public static ClientOptions Read(IConfiguration configuration) => new()
    {
        Url = ReadUrl(configuration["Url"]),
        Hostname = (Text(configuration, "Hostname") ?? Environment.MachineName).ToLowerInvariant(),
        Pool = Text(configuration, "Pool"),
        MachineId = Text(configuration, "MachineId") ?? ReadMachineId(),
        BootId = Text(configuration, "BootId") ?? ReadFile("/proc/sys/kernel/random/boot_id", "BootId"),
        EnrolmentToken = ReadEnrolmentToken(configuration),
        StateFolder = Text(configuration, "StateFolder") ?? "/var/lib/allocator",
        RuntimeFolder = Text(configuration, "RuntimeFolder"),
        AssignedHook = Program(configuration, "Hooks:Assigned"),
        ReleasedHook = Program(configuration, "Hooks:Released"),
        LostContactHook = Program(configuration, "Hooks:LostContact"),
        HookTimeout = Time(configuration, "Hooks:Timeout", TimeSpan.FromMinutes(2), TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
        LostContactAfter = Time(configuration, "LostContactAfter", TimeSpan.FromMinutes(5), TimeSpan.FromSeconds(10), TimeSpan.FromDays(1)),
        ReadyFile = Text(configuration, "Ready:File"),
        ReadyCommand = Program(configuration, "Ready:Command"),
        GpuProgram = configuration["Gpu:Program"]?.Trim() ?? "nvidia-smi",
        GpuInterval = Time(configuration, "Gpu:Interval", TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
        InUseProcess = Text(configuration, "InUse:Process"),
        DiskPath = Text(configuration, "Disk:Path") ?? "/",
        DiskWarnAbove = Number(configuration, "Disk:WarnAbove", 95, 1, 100),
        Proxy = ReadProxy(Text(configuration, "Proxy")),
        CaFile = ReadCaFile(Text(configuration, "CaFile")),
        TrustsOnlyCaFile = Flag(configuration, "TrustsOnlyCaFile"),
        Uptime = ReadUptime(),
        FirstPollWithin = Time(configuration, "FirstPollWithin", TimeSpan.FromSeconds(15), TimeSpan.Zero, TimeSpan.FromMinutes(5)),
        RequestTimeout = Time(configuration, "RequestTimeout", TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(5)),
    };

    private static Func<CancellationToken, ValueTask<string?>>? ReadEnrolmentToken(IConfiguration configuration) =>
        (Text(configuration, "EnrolmentToken"), Text(configuration, "EnrolmentTokenFile"), Program(configuration, "EnrolmentTokenCommand")) switch
        {
            ({ } token, _, _) => _ => new(token),
            (_, { } file, _) => cancel => EnrolmentTokenSource.FromFile(file, cancel),
            (_, _, { Length: > 0 } command) => cancel => EnrolmentTokenSource.FromProgram(command, new ProgramRunner(TimeProvider.System), cancel),
            _ => null,
        };

    private static string ReadMachineId() => ReadFile("/etc/machine-id", "MachineId") switch
    {
        // As systemd leaves it for an image that is copied.
        "" or "uninitialized" => throw Wrong("MachineId", "", "set, or be made in /etc/machine-id (systemd-machine-id-setup)"),
        var id => id,
    };

    /// <summary>Never shown when it is wrong: there may be a password in it.</summary>
    private static WebProxy? ReadProxy(string? text)
    {
        if (text is null)
        {
            return null;
        }
        if (text == "none")
        {
            return new WebProxy();
        }
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https" or "socks5"))
        {
            throw Wrong("Proxy", "(hidden)",
                "the proxy's address, such as http://proxy.example.org:3128 or http://name:password@proxy.example.org:3128, or none");
        }
        var account = url.UserInfo.Split(':', 2).Select(Uri.UnescapeDataString).ToArray();
        return new WebProxy(new UriBuilder(url) { UserName = "", Password = "" }.Uri)
        {
            Credentials = url.UserInfo.Length > 0 ? new NetworkCredential(account[0], account.ElementAtOrDefault(1)) : null,
        };
    }

    private static string? ReadCaFile(string? path)
    {
        try
        {
            if (path is not null)
            {
                new X509Certificate2Collection().ImportFromPemFile(path);
            }
            return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw Wrong("CaFile", path, $"a readable file of certificates in PEM ({e.Message})");
        }
    }

    private static bool Flag(IConfiguration configuration, string key) =>
        Text(configuration, key) is not { } text ? false : bool.TryParse(text, out var flag) ? flag : throw Wrong(key, text, "true or false");

    private static int Number(IConfiguration configuration, string key, int usual, int least, int most) =>
        Text(configuration, key) is not { } text ? usual
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most ? number
        : throw Wrong(key, text, $"a number from {least} to {most}");

    private static TimeSpan? ReadUptime() =>
        double.TryParse(ReadFile("/proc/uptime", "BootId").Split(' ')[0], CultureInfo.InvariantCulture, out var seconds)
            ? TimeSpan.FromSeconds(seconds) : null;

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
