using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Hooks;

/// <summary>What a hook gets as JSON on its standard input.</summary>
/// <param name="Event"><c>assigned</c>, <c>released</c>, <c>lost-contact</c> or <c>found-contact</c>.</param>
/// <param name="Since">Of a contact with the allocator that was lost: when it last answered.</param>
internal sealed record HookInput(
    string Event,
    string Hostname,
    long? Generation,
    AssignedPerson? Assignment,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? Since = null);

/// <summary>What an assigned hook may print as JSON on its standard output.</summary>
internal sealed record HookOutput(string? ConnectUrl);

/// <summary>
/// Runs the operator's programs. Never by way of a shell: what a stranger pasted is data on standard input and in the
/// environment, never part of a command.
/// </summary>
internal sealed partial class HookRunner(ClientOptions options, TimeProvider time, ILogger<HookRunner> log) : IAssignmentHandler
{
    private const int KeptOutput = 64 * 1024;
    private const int ReportedOutput = 2_000;

    private const int NoSuchFile = 2;
    private const int NotExecutable = 8;
    private const int NotPermitted = 13;

    /// <summary>How long a hook's children may keep its output open after it has ended.</summary>
    private static readonly TimeSpan OutputGrace = TimeSpan.FromSeconds(2);

    /// <summary>How long a hook that is stopped has between SIGTERM and SIGKILL.</summary>
    public static readonly TimeSpan EndGrace = TimeSpan.FromSeconds(5);

    public async Task<HandlerResult> AssignedAsync(VmAssignment vm, AssignedPerson person, CancellationToken cancel)
    {
        var (connectUrl, failure) = await RunAsync(options.AssignedHook, Input("assigned", vm), cancel);
        return failure is null ? HandlerResult.Connected(connectUrl) : HandlerResult.Failed(failure);
    }

    public async Task<HandlerResult> ReleasedAsync(VmAssignment vm, CancellationToken cancel) =>
        await RunAsync(options.ReleasedHook, Input("released", vm), cancel) is (_, { } failure) ? HandlerResult.Failed(failure) : HandlerResult.Clean;

    public Task ContactLostAsync(DateTimeOffset since, CancellationToken cancel) =>
        RunAsync(options.LostContactHook, new HookInput("lost-contact", options.Hostname, null, null, since), cancel);

    public Task ContactFoundAsync(DateTimeOffset since, CancellationToken cancel) =>
        RunAsync(options.LostContactHook, new HookInput("found-contact", options.Hostname, null, null, since), cancel);

    private static HookInput Input(string name, VmAssignment vm) => new(name, vm.Hostname, vm.Generation, vm.Assignment);

    /// <summary>Runs a hook; if there is none, nothing has to be done.</summary>
    /// <exception cref="OperationCanceledException">The hook was stopped by <paramref name="cancel"/>, with all it had started.</exception>
    private async Task<(string? ConnectUrl, string? Failure)> RunAsync(IReadOnlyList<string> command, HookInput input, CancellationToken cancel)
    {
        if (command.Count == 0)
        {
            return (null, null);
        }
        Log.Starts(log, input.Event, input.Generation);
        var result = await StartAsync(command, input, cancel);
        if (result.Failure is null)
        {
            Log.Succeeded(log, input.Event, input.Generation);
        }
        else
        {
            Log.Failed(log, input.Event, input.Generation, result.Failure);
        }
        return result;
    }

    private async Task<(string? ConnectUrl, string? Failure)> StartAsync(IReadOnlyList<string> command, HookInput input, CancellationToken cancel)
    {
        using var processes = new HookProcesses(options.StateFolder);
        using var process = new Process();
        process.StartInfo = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false),
        };
        SetEnvironment(process.StartInfo.Environment, input);
        try
        {
            processes.Start(process);
        }
        catch (Win32Exception e)
        {
            return (null, $"The {input.Event} hook '{command[0]}' cannot be started: {WhyNotStarted(command[0], e)}");
        }

        var output = new Tail(process.StandardOutput, KeptOutput);
        var errors = new Tail(process.StandardError, KeptOutput);
        using var timeout = new CancellationTokenSource(options.HookTimeout, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, timeout.Token);
        string? failure;
        try
        {
            await WriteInputAsync(process, input, stop.Token);
            await process.WaitForExitAsync(stop.Token);
            await Task.WhenAll(output.EndAsync(OutputGrace, time), errors.EndAsync(OutputGrace, time));
            failure = process.ExitCode == 0 ? null : $"ended with exit code {process.ExitCode}.";
        }
        catch (OperationCanceledException)
        {
            failure = $"did not end within {options.HookTimeout} and was stopped.";
        }
        string? connectUrl = null;
        if (failure is null && input.Event == "assigned")
        {
            (connectUrl, failure) = ReadConnectUrl(output.Text);
        }
        if (failure is null)
        {
            return (connectUrl, null);
        }
        // What a hook leaves may be meant to stay, but not what one leaves that failed.
        if (await processes.EndAsync(EndGrace, time) is { Count: > 0 } left)
        {
            Log.Left(log, input.Event, input.Generation, string.Join(", ", left));
            failure += $" Of its processes, {string.Join(", ", left)} cannot be ended.";
        }
        await Task.WhenAll(output.EndAsync(OutputGrace, time), errors.EndAsync(OutputGrace, time));
        cancel.ThrowIfCancellationRequested();
        return (null, Report($"The {input.Event} hook {failure}", output, errors, input));
    }

    private static void SetEnvironment(IDictionary<string, string?> environment, HookInput input)
    {
        foreach (var name in environment.Keys.Where(IsTheClientsOwn).ToArray())
        {
            environment.Remove(name);
        }
        environment["ALLOCATOR_EVENT"] = input.Event;
        environment["ALLOCATOR_HOSTNAME"] = input.Hostname;
        environment["ALLOCATOR_GENERATION"] = input.Generation?.ToString(CultureInfo.InvariantCulture);
        environment["ALLOCATOR_ASSIGNMENT_ID"] = input.Assignment?.Id.ToString();
        environment["ALLOCATOR_EMAIL"] = input.Assignment?.Email;
    }

    /// <summary>Settings, tokens and passwords of the allocator, and what systemd means for its service alone.</summary>
    private static bool IsTheClientsOwn(string name) =>
        name.StartsWith("ALLOCATOR_", StringComparison.OrdinalIgnoreCase)
        || name is "NOTIFY_SOCKET" or "WATCHDOG_USEC" or "WATCHDOG_PID" or "LISTEN_FDS" or "LISTEN_PID" or "LISTEN_FDNAMES" or "CREDENTIALS_DIRECTORY";

    private static string WhyNotStarted(string program, Win32Exception e) => e.NativeErrorCode switch
    {
        _ when Directory.Exists(program) => "it is a folder.",
        NoSuchFile when File.Exists(program) => "the interpreter that its first line names does not exist.",
        NoSuchFile => "there is no such program.",
        NotPermitted => "the client's user may not execute it (chmod +x), or not enter its folder.",
        NotExecutable => "it is neither a program for this machine nor a script whose first line names its interpreter (#!/bin/sh).",
        _ => e.Message,
    };

    private static async Task WriteInputAsync(Process process, HookInput input, CancellationToken cancel)
    {
        try
        {
            await process.StandardInput.WriteAsync(JsonSerializer.Serialize(input, HookJson.Default.HookInput).AsMemory(), cancel);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The hook does not care for its input.
        }
    }

    /// <summary>The URL, if the hook printed one. It may have told other things before: JSON begins a line.</summary>
    private static (string? ConnectUrl, string? Failure) ReadConnectUrl(string output)
    {
        var start = $"\n{output}".IndexOf("\n{", StringComparison.Ordinal);
        if (start < 0)
        {
            return (null, null);
        }
        try
        {
            var url = JsonSerializer.Deserialize(output[start..], HookJson.Default.HookOutput)?.ConnectUrl;
            return url is null || OutcomeReport.IsConnectUrl(url)
                ? (url, null)
                : (null, $"printed a connectUrl that is no absolute http or https URL of at most {OutcomeReport.MaxConnectUrl:N0} characters, "
                    + "without spaces and without a password before the host.");
        }
        catch (JsonException)
        {
            return (null, "printed a line that begins with { and what follows is not the JSON {\"connectUrl\": \"https://…\"}.");
        }
    }

    /// <summary>What an admin is told. Hooks may print what they got, but its secrets are for nobody else.</summary>
    private static string Report(string what, Tail output, Tail errors, HookInput input)
    {
        var said = (output.Text + errors.Text).Trim();
        said = new string([.. said.Where(c => !char.IsControl(c) || c is '\n' or '\t')]);
        foreach (var secret in new[] { input.Assignment?.Command?.Code, input.Assignment?.Command?.Pin })
        {
            said = secret is { Length: > 0 } ? said.Replace(secret, "***", StringComparison.Ordinal) : said;
        }
        return said.Length == 0 ? what : $"{what} It printed at its end: {said[^Math.Min(said.Length, ReportedOutput)..]}";
    }

    /// <summary>Reads a stream to its end and keeps the last of it.</summary>
    private sealed class Tail
    {
        private readonly StringBuilder _kept = new();
        private readonly int _most;
        private readonly Task _reading;

        public Tail(StreamReader reader, int most)
        {
            _most = most;
            _reading = ReadAsync(reader);
        }

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

        /// <summary>Waits for the end of the stream, but not for ever: a child may hold it open.</summary>
        public async Task EndAsync(TimeSpan grace, TimeProvider time) =>
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
                    // Not each time: what is kept has to be moved.
                    if (_kept.Length > 2 * _most)
                    {
                        _kept.Remove(0, _kept.Length - _most);
                    }
                }
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "The {Hook} hook starts, for generation {Generation}")]
        public static partial void Starts(ILogger log, string hook, long? generation);

        [LoggerMessage(Level = LogLevel.Information, Message = "The {Hook} hook succeeded, for generation {Generation}")]
        public static partial void Succeeded(ILogger log, string hook, long? generation);

        [LoggerMessage(Level = LogLevel.Error, Message = "The {Hook} hook failed, for generation {Generation}: {Detail}")]
        public static partial void Failed(ILogger log, string hook, long? generation, string? detail);

        [LoggerMessage(Level = LogLevel.Error, Message = "Processes {Processes} of the {Hook} hook, for generation {Generation}, cannot be ended")]
        public static partial void Left(ILogger log, string hook, long? generation, string processes);
    }
}
