using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Allocator.Client.Agent.Processes;
using Allocator.Contracts.Settings;
using Allocator.Polling;
using Microsoft.Extensions.Configuration;

namespace Allocator.Client.Agent;

/// <summary>
/// The settings of <c>allocator run</c>, from <c>/etc/allocator/client.json</c> (or <c>--config</c>) and the environment
/// (<c>ALLOCATOR_Url</c>, <c>ALLOCATOR_Hooks__Assigned__0</c>, …), which overrides the file.
/// </summary>
internal sealed record ClientOptions : AllocatorClientOptions
{
    private const string Prefix = "ALLOCATOR_";

    private static readonly ClientOptions Defaults = new() { Url = new Uri("http://localhost") };

    /// <summary>Variables with the same prefix that are not settings: of admin commands, of hooks, and of the checks in infra/scripts.</summary>
    private static readonly HashSet<string> OtherVariables = new(StringComparer.OrdinalIgnoreCase)
    {
        "ADMIN_FILE", "ADMIN_USER", "ADMIN_PASSWORD", "API_KEY", "EVENT", "GENERATION", "ASSIGNMENT_ID", "EMAIL", "HOOK_RUN",
        // Of the scripts that check infra/.
        "TERRAFORM_MIRROR", "EMULATOR",
    };

    private static readonly Dictionary<string, SettingDefinition> DefinitionsByKey = new SettingDefinition[]
    {
        Text("Url", null, "The address of the allocator.", "the allocator's address, such as https://allocator.example.org"),
        Text("Hostname", null, "The VM's name in the fleet; by default the machine's host name.", "a host name"),
        Text("Pool", null, "The pool to join; by default the server's `default`.", "the name of a pool"),
        Text("EnrolmentToken", null, "The token that is exchanged for a token of the VM's own."),
        Text("EnrolmentTokenFile", null,
            "A file with the enrolment token. It is read whenever the VM enrols, so it can be replaced, and removed after use.", "a file"),
        List("EnrolmentTokenCommand",
            "A program that prints the enrolment token, such as that of a secret store, within 30 s. Its output is never logged. "
            + "Of the three, the first that is set is used."),
        Text("MachineId", null, "Distinguishes this machine from another of the same name; by default the content of `/etc/machine-id`."),
        Text("BootId", null, "Distinguishes one boot from the next; by default the kernel's boot id."),
        Text("StateFolder", Defaults.StateFolder, "The folder of the token and the last answer, readable by the client only.", "a folder"),
        Text("RuntimeFolder", null,
            "The folder of `status.json`, best in memory; by default `/run/allocator` if it exists and `StateFolder` is the default, "
            + "otherwise the state folder.", "a folder"),
        List("Hooks:Assigned", "The hook that prepares the VM for a person ([hooks](../Allocator.Client/hooks/README.md))."),
        List("Hooks:Released", "The hook that removes what the person left."),
        List("Hooks:LostContact", "The hook that runs when the allocator has not answered for `LostContactAfter`, and when it answers again."),
        Time("Hooks:Timeout", Defaults.HookTimeout, "00:00:01", "01:00:00",
            "The time limit of a hook, which is then stopped with all processes that it started."),
        Time("LostContactAfter", Defaults.LostContactAfter, "00:00:10", "1.00:00:00",
            "How long the allocator may be silent before contact counts as lost."),
        Text("Ready:File", null, "The VM reports `initializing` until this file exists …", "a file"),
        List("Ready:Command", "… and until this program exits with 0. It runs every 5 s and has 30 s."),
        Text("Gpu:Program", Defaults.GpuProgram,
            "The program that checks the GPU; empty: the GPU is not checked. If the program does not exist, the VM has no GPU.",
            "a program, or empty"),
        Time("Gpu:Interval", Defaults.GpuInterval, "00:00:01", "01:00:00", "The time between two checks of the GPU."),
        Text("InUse:Process", null, "The VM is in use while a program or script of this name runs.", "the name of a program"),
        Text("Disk:Path", Defaults.DiskPath, "A folder on the disk to watch.", "a folder"),
        Define<int>("Disk:WarnAbove", Defaults.DiskWarnAbove, "The percentage of disk space in use above which the client warns.")
            with { Min = 1, Max = 100 },
        Text("Proxy", null,
            "The proxy to use in place of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`: http, https or socks5.",
            "the proxy's address, such as http://proxy.example.org:3128 or http://name:password@proxy.example.org:3128, or none"),
        Text("CaFile", null, "Authorities to trust in addition to the system's; read at the start.", "a readable file of certificates in PEM"),
        Define<bool>("TrustsOnlyCaFile", Defaults.TrustsOnlyCaFile, "Whether only the authorities in `CaFile` are trusted."),
        Time("FirstPollWithin", Defaults.FirstPollWithin, "00:00:00", "00:05:00", "The first poll comes after a random time within this."),
        Time("RequestTimeout", Defaults.RequestTimeout, "00:00:00.1", "00:05:00", "The time limit of one request."),
    }.ToDictionary(setting => setting.Key);

    /// <summary>Gets all settings of the client, in the order of the documentation.</summary>
    public static IEnumerable<SettingDefinition> Definitions => DefinitionsByKey.Values;

    /// <summary>Gets the program (with its arguments) that prepares the VM for a person; empty if nothing has to be done.</summary>
    public IReadOnlyList<string> AssignedHook { get; init; } = [];

    /// <summary>Gets the program (with its arguments) that removes what the person left; empty if nothing has to be done.</summary>
    public IReadOnlyList<string> ReleasedHook { get; init; } = [];

    /// <summary>Gets the program (with its arguments) that runs when contact with the allocator is lost and when it is restored.</summary>
    public IReadOnlyList<string> LostContactHook { get; init; } = [];

    /// <summary>Gets the time limit of a hook.</summary>
    public TimeSpan HookTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Gets the file that must exist before the VM is ready; null if there is none.</summary>
    public string? ReadyFile { get; init; }

    /// <summary>Gets the program (with its arguments) that exits with 0 once the VM is ready; empty if there is none.</summary>
    public IReadOnlyList<string> ReadyCommand { get; init; } = [];

    /// <summary>Gets the program that checks the GPU; empty if the GPU is not checked.</summary>
    public string GpuProgram { get; init; } = "nvidia-smi";

    /// <summary>Gets the time between two checks of the GPU.</summary>
    public TimeSpan GpuInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Gets the program that the workshop is about; null if its use is not reported.</summary>
    public string? InUseProcess { get; init; }

    /// <summary>Gets a folder on the disk to watch.</summary>
    public string DiskPath { get; init; } = "/";

    /// <summary>Gets the percentage of disk space in use above which the client warns.</summary>
    public int DiskWarnAbove { get; init; } = 95;

    /// <summary>Gets the folder in which the kernel shows its processes.</summary>
    public string ProcFolder { get; init; } = "/proc";

    /// <summary>Gets the program that reports why the machine shuts down.</summary>
    public string SystemctlProgram { get; init; } = "systemctl";

    /// <summary>Gets whether the VM is ready without waiting for a file or a program.</summary>
    public bool IsReadyAtOnce => ReadyFile is null && ReadyCommand.Count == 0;

    /// <exception cref="ClientOptionsException">A setting is missing, wrong or unknown; the message names it.</exception>
    public static ClientOptions Read(IConfiguration configuration)
    {
        CheckKeys(configuration);
        return new()
        {
            Url = ReadUrl(configuration["Url"]),
            Hostname = (Value<string?>(configuration, "Hostname") ?? Environment.MachineName).ToLowerInvariant(),
            Pool = Value<string?>(configuration, "Pool"),
            MachineId = Value<string?>(configuration, "MachineId") ?? ReadMachineId(),
            BootId = Value<string?>(configuration, "BootId") ?? ReadFile("/proc/sys/kernel/random/boot_id", "BootId"),
            EnrolmentToken = ReadEnrolmentToken(configuration),
            StateFolder = Value<string>(configuration, "StateFolder"),
            RuntimeFolder = Value<string?>(configuration, "RuntimeFolder"),
            AssignedHook = Program(configuration, "Hooks:Assigned"),
            ReleasedHook = Program(configuration, "Hooks:Released"),
            LostContactHook = Program(configuration, "Hooks:LostContact"),
            HookTimeout = Value<TimeSpan>(configuration, "Hooks:Timeout"),
            LostContactAfter = Value<TimeSpan>(configuration, "LostContactAfter"),
            ReadyFile = Value<string?>(configuration, "Ready:File"),
            ReadyCommand = Program(configuration, "Ready:Command"),
            // Unlike elsewhere, an empty value has a meaning of its own.
            GpuProgram = configuration["Gpu:Program"]?.Trim() ?? Defaults.GpuProgram,
            GpuInterval = Value<TimeSpan>(configuration, "Gpu:Interval"),
            InUseProcess = Value<string?>(configuration, "InUse:Process"),
            DiskPath = Value<string>(configuration, "Disk:Path"),
            DiskWarnAbove = Value<int>(configuration, "Disk:WarnAbove"),
            Proxy = ReadProxy(Value<string?>(configuration, "Proxy")),
            CaFile = ReadCaFile(Value<string?>(configuration, "CaFile")),
            TrustsOnlyCaFile = Value<bool>(configuration, "TrustsOnlyCaFile"),
            Uptime = ReadUptime(),
            FirstPollWithin = Value<TimeSpan>(configuration, "FirstPollWithin"),
            RequestTimeout = Value<TimeSpan>(configuration, "RequestTimeout"),
        };
    }

    private static SettingDefinition Define<T>(string key, object? value, string description, string accepts = "") =>
        new(key, typeof(T), value, description, Accepts: accepts, Prefix: Prefix);

    private static SettingDefinition Text(string key, string? value, string description, string accepts = "") =>
        Define<string>(key, value, description, accepts);

    private static SettingDefinition List(string key, string description) =>
        Define<string[]>(key, null, description, "a list: the program, then its arguments; no shell");

    private static SettingDefinition Time(string key, TimeSpan value, string min, string max, string description) =>
        Define<TimeSpan>(key, value, description) with
        {
            Min = TimeSpan.Parse(min, CultureInfo.InvariantCulture),
            Max = TimeSpan.Parse(max, CultureInfo.InvariantCulture),
        };

    /// <summary>Rejects unknown keys: a misspelt setting would otherwise be ignored.</summary>
    private static void CheckKeys(IConfiguration configuration)
    {
        var unknown = configuration.AsEnumerable()
            .Where(setting => setting.Value is not null && !OtherVariables.Contains(setting.Key)
                && !Definitions.Any(known => IsSame(known.Key, setting.Key)
                    || (known.Type == typeof(string[]) && setting.Key.StartsWith(known.Key + ":", StringComparison.OrdinalIgnoreCase))
                    // An empty section.
                    || (setting.Value.Length == 0 && known.Key.StartsWith(setting.Key + ":", StringComparison.OrdinalIgnoreCase))))
            .Select(setting => SettingDefinition.RefuseUnknown(Prefix, setting.Key, DefinitionsByKey.Keys))
            .ToArray();
        if (unknown.Length > 0)
        {
            throw new ClientOptionsException(string.Join(Environment.NewLine, unknown));
        }

        static bool IsSame(string known, string key) => known.Equals(key, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Returns the value of a setting, or its default if it is not set or blank.</summary>
    private static T Value<T>(IConfiguration configuration, string key)
    {
        var setting = DefinitionsByKey[key];
        return configuration[key] is not { } text || string.IsNullOrWhiteSpace(text) ? (T)setting.Default!
            : setting.Parse(text.Trim()) is { } value ? (T)value
            : throw new ClientOptionsException(setting.Refuse(text));
    }

    private static Func<CancellationToken, ValueTask<string?>>? ReadEnrolmentToken(IConfiguration configuration) =>
        (Value<string?>(configuration, "EnrolmentToken"), Value<string?>(configuration, "EnrolmentTokenFile"),
            Program(configuration, "EnrolmentTokenCommand")) switch
        {
            ({ } token, _, _) => _ => new(token),
            (_, { } file, _) => cancel => EnrolmentTokenSource.FromFile(file, cancel),
            (_, _, { Length: > 0 } command) => cancel => EnrolmentTokenSource.FromProgram(command, new ProgramRunner(TimeProvider.System), cancel),
            _ => null,
        };

    private static string ReadMachineId() => ReadFile("/etc/machine-id", "MachineId") switch
    {
        // systemd leaves these values in an image that is meant to be copied.
        "" or "uninitialized" => throw Wrong("MachineId", "", "set, or be created in /etc/machine-id (systemd-machine-id-setup)"),
        var id => id,
    };

    /// <summary>Parses the proxy's address; a wrong one is never shown, because it may contain a password.</summary>
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
            throw Wrong("Proxy", "(hidden)");
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
            throw Wrong("CaFile", path, $"{DefinitionsByKey["CaFile"].Accepts} ({e.Message})");
        }
    }

    private static TimeSpan? ReadUptime() =>
        double.TryParse(ReadFile("/proc/uptime", "BootId").Split(' ')[0], CultureInfo.InvariantCulture, out var seconds)
            ? TimeSpan.FromSeconds(seconds)
            : null;

    private static Uri ReadUrl(string? text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" ? url : throw Wrong("Url", text);

    /// <summary>Reads a program with its arguments. A hook that was ignored would admit people to an unprepared VM.</summary>
    private static string[] Program(IConfiguration configuration, string key)
    {
        string[] words = [.. configuration.GetSection(key).GetChildren().Select(child => child.Value ?? "")];
        return configuration[key] is { Length: > 0 } text ? throw Wrong(key, text, $"a list: {key}:0 is the program, {key}:1 its first argument")
            : words is [var program, ..] && string.IsNullOrWhiteSpace(program)
                ? throw new ClientOptionsException(SettingDefinition.Refuse(Prefix, $"{key}:0", program, "a program"))
            : words;
    }

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

    private static ClientOptionsException Wrong(string key, string? value, string? expected = null) =>
        new(DefinitionsByKey[key].Refuse(value, expected));
}

/// <summary>The exception for a setting of the client that is missing, wrong or unknown.</summary>
internal sealed class ClientOptionsException(string message) : Exception(message);
