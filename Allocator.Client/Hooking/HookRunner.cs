using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Hooking;

/// <summary>What a hook gets as JSON on its standard input.</summary>
/// <param name="Event"><c>assigned</c> or <c>released</c>.</param>
internal sealed record HookInput(string Event, string Hostname, long Generation, AssignedPerson? Assignment);

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

    /// <summary>How long a hook's children may keep its output open after it has ended.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    public async Task<HandlerResult> AssignedAsync(VmAssignment vm, AssignedPerson person, CancellationToken cancel) =>
        await RunAsync("assigned", options.AssignedHook, vm, cancel) switch
        {
            { Failure: { } why } => HandlerResult.Failed(why),
            { Output: var output } => HandlerResult.Connected(ConnectUrl(output)),
        };

    public async Task<HandlerResult> ReleasedAsync(VmAssignment vm, CancellationToken cancel) =>
        await RunAsync("released", options.ReleasedHook, vm, cancel) is { Failure: { } why } ? HandlerResult.Failed(why) : HandlerResult.Clean;

    /// <summary>Runs a hook; if there is none, nothing has to be done.</summary>
    /// <exception cref="OperationCanceledException">The hook was stopped by <paramref name="cancel"/>, with all it had started.</exception>
    private async Task<(string Output, string? Failure)> RunAsync(string name, IReadOnlyList<string> command, VmAssignment vm, CancellationToken cancel)
    {
        if (command.Count == 0)
        {
            return ("", null);
        }
        Log.Starts(log, name, vm.Generation);
        var result = await StartAsync(name, command, vm, cancel);
        if (result.Failure is null)
        {
            Log.Succeeded(log, name, vm.Generation);
        }
        else
        {
            Log.Failed(log, name, vm.Generation, result.Failure);
        }
        return result;
    }

    private async Task<(string Output, string? Failure)> StartAsync(string name, IReadOnlyList<string> command, VmAssignment vm, CancellationToken cancel)
    {
        using var process = new Process();
        process.StartInfo = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false),
        };
        var environment = process.StartInfo.Environment;
        // The enrolment token is the client's own business.
        foreach (var secret in environment.Keys.Where(key => key.Equals("ALLOCATOR_EnrolmentToken", StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            environment.Remove(secret);
        }
        environment["ALLOCATOR_EVENT"] = name;
        environment["ALLOCATOR_HOSTNAME"] = vm.Hostname;
        environment["ALLOCATOR_GENERATION"] = vm.Generation.ToString(CultureInfo.InvariantCulture);
        environment["ALLOCATOR_ASSIGNMENT_ID"] = vm.Assignment?.Id.ToString();
        environment["ALLOCATOR_EMAIL"] = vm.Assignment?.Email;
        try
        {
            process.Start();
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            return ("", $"The {name} hook '{command[0]}' cannot be started: {e.Message}");
        }

        var output = new Tail(process.StandardOutput, KeptOutput);
        var errors = new Tail(process.StandardError, KeptOutput);
        using var timeout = new CancellationTokenSource(options.HookTimeout, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, timeout.Token);
        try
        {
            await WriteInputAsync(process, new HookInput(name, vm.Hostname, vm.Generation, vm.Assignment), stop.Token);
            await process.WaitForExitAsync(stop.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await output.EndAsync(Grace, time);
            cancel.ThrowIfCancellationRequested();
            return ("", Report($"The {name} hook did not end within {options.HookTimeout} and was stopped.", output, errors));
        }
        await Task.WhenAll(output.EndAsync(Grace, time), errors.EndAsync(Grace, time));
        return process.ExitCode == 0
            ? (output.Text, null)
            : (output.Text, Report($"The {name} hook ended with exit code {process.ExitCode}.", output, errors));
    }

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

    private static string? ConnectUrl(string output)
    {
        try
        {
            return output.TrimStart().StartsWith('{') ? JsonSerializer.Deserialize(output, HookJson.Default.HookOutput)?.ConnectUrl : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Report(string what, Tail output, Tail errors)
    {
        var said = (output.Text + errors.Text).Trim();
        said = new string([.. said.Where(c => !char.IsControl(c) || c is '\n' or '\t')]);
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
                    if (_kept.Length > _most)
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
        public static partial void Starts(ILogger log, string hook, long generation);

        [LoggerMessage(Level = LogLevel.Information, Message = "The {Hook} hook succeeded, for generation {Generation}")]
        public static partial void Succeeded(ILogger log, string hook, long generation);

        [LoggerMessage(Level = LogLevel.Error, Message = "The {Hook} hook failed, for generation {Generation}: {Detail}")]
        public static partial void Failed(ILogger log, string hook, long generation, string? detail);
    }
}
