using System.Globalization;
using System.Text.Json;
using Allocator.Client.Agent.Processes;
using Allocator.Contracts;
using Allocator.Polling;
using Microsoft.Extensions.Logging;

namespace Allocator.Client.Agent.Hooks;

/// <summary>
/// Runs the operator's hooks. It uses no shell: what a person pasted is data on standard input and in the environment, never
/// part of a command.
/// </summary>
internal sealed partial class HookRunner(ClientOptions options, TimeProvider time, ILogger<HookRunner> log) : IAssignmentHandler
{
    private const int MaxReportedOutput = 2_000;

    /// <summary>How long the processes of a hook have between SIGTERM and SIGKILL.</summary>
    public static readonly TimeSpan EndGrace = TimeSpan.FromSeconds(5);

    public async Task<HandlerResult> AssignedAsync(VmAssignment vm, AssignedPerson person, CancellationToken cancel)
    {
        var (connectUrl, failure) = await RunAsync(Hook.Assigned, Input(HookInput.AssignedEvent, vm), cancel);
        return failure is null ? HandlerResult.Connected(connectUrl) : HandlerResult.Failed(failure);
    }

    public async Task<HandlerResult> ReleasedAsync(VmAssignment vm, CancellationToken cancel) =>
        await RunAsync(Hook.Released, Input("released", vm), cancel) is (_, { } failure) ? HandlerResult.Failed(failure) : HandlerResult.Clean;

    public Task ContactLostAsync(DateTimeOffset since, CancellationToken cancel) =>
        RunAsync(Hook.LostContact, new HookInput("lost-contact", options.Hostname, null, null, since), cancel);

    public Task ContactFoundAsync(DateTimeOffset since, CancellationToken cancel) =>
        RunAsync(Hook.LostContact, new HookInput("found-contact", options.Hostname, null, null, since), cancel);

    private static HookInput Input(string name, VmAssignment vm) => new(name, vm.Hostname, vm.Generation, vm.Assignment);

    /// <summary>Runs a hook; a hook that is not configured succeeds.</summary>
    /// <exception cref="OperationCanceledException"><paramref name="cancel"/> stopped the hook, with every process it had started.</exception>
    private async Task<(string? ConnectUrl, string? Failure)> RunAsync(Hook hook, HookInput input, CancellationToken cancel)
    {
        var command = hook.Command(options);
        if (command.Count == 0)
        {
            return (null, null);
        }
        Log.Starts(log, input.Event, input.Generation);
        var result = await RunAsync(command, input, cancel);
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

    private async Task<(string? ConnectUrl, string? Failure)> RunAsync(IReadOnlyList<string> command, HookInput input, CancellationToken cancel)
    {
        using var processes = new HookProcesses(options.StateFolder);
        using var program = new RunningProgram(command, time, environment => SetEnvironment(environment, input));
        try
        {
            program.Start(processes.Start);
        }
        catch (ProgramStartException e)
        {
            return (null, $"The {input.Event} hook '{command[0]}' cannot be started: {e.Message}.");
        }
        var failure = await program.WaitAsync(JsonSerializer.Serialize(input, HookJson.Default.HookInput), options.HookTimeout, cancel) is { } why
            ? why + "."
            : null;
        string? connectUrl = null;
        if (failure is null && input.Event == HookInput.AssignedEvent)
        {
            (connectUrl, failure) = ReadConnectUrl(program.Output);
        }
        if (failure is null)
        {
            return (connectUrl, null);
        }
        // A successful hook may leave processes running; a failed one may not.
        if (await processes.TerminateAsync(EndGrace, time) is { Count: > 0 } left)
        {
            Log.Unstoppable(log, input.Event, input.Generation, string.Join(", ", left));
            failure += $" Of its processes, {string.Join(", ", left)} cannot be ended.";
        }
        await program.DrainAsync();
        cancel.ThrowIfCancellationRequested();
        return (null, Describe($"The {input.Event} hook {failure}", program, input));
    }

    private static void SetEnvironment(IDictionary<string, string?> environment, HookInput input)
    {
        foreach (var name in environment.Keys.Where(IsForClientOnly).ToArray())
        {
            environment.Remove(name);
        }
        environment["ALLOCATOR_EVENT"] = input.Event;
        environment["ALLOCATOR_HOSTNAME"] = input.Hostname;
        environment["ALLOCATOR_GENERATION"] = input.Generation?.ToString(CultureInfo.InvariantCulture);
        environment["ALLOCATOR_ASSIGNMENT_ID"] = input.Assignment?.Id.ToString();
        environment["ALLOCATOR_EMAIL"] = input.Assignment?.Email;
        environment["ALLOCATOR_PERSON"] = input.Assignment is { } person ? PersonName.Of(person) : null;
    }

    /// <summary>Returns true for the client's settings, tokens and passwords, and for what systemd sets for its service alone.</summary>
    private static bool IsForClientOnly(string name) =>
        name.StartsWith("ALLOCATOR_", StringComparison.OrdinalIgnoreCase)
        || name is "NOTIFY_SOCKET" or "WATCHDOG_USEC" or "WATCHDOG_PID" or "LISTEN_FDS" or "LISTEN_PID"
            or "LISTEN_FDNAMES" or "CREDENTIALS_DIRECTORY";

    /// <summary>Reads the URL, if the hook printed one. Other lines may precede the JSON, which starts at a line with a brace.</summary>
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

    /// <summary>Builds the report for admins. A hook may print its input, so the person's code and PIN are masked.</summary>
    private static string Describe(string failure, RunningProgram program, HookInput input)
    {
        var printed = (program.Output + program.Errors).Trim();
        printed = PlainText.Strip(printed);
        foreach (var secret in new[] { input.Assignment?.Command?.Code, input.Assignment?.Command?.Pin })
        {
            printed = secret is { Length: > 0 } ? printed.Replace(secret, "***", StringComparison.Ordinal) : printed;
        }
        return printed.Length == 0 ? failure : $"{failure} The end of its output: {printed[^Math.Min(printed.Length, MaxReportedOutput)..]}";
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "Running the {Hook} hook for generation {Generation}")]
        public static partial void Starts(ILogger log, string hook, long? generation);

        [LoggerMessage(Level = LogLevel.Information, Message = "The {Hook} hook for generation {Generation} succeeded")]
        public static partial void Succeeded(ILogger log, string hook, long? generation);

        [LoggerMessage(Level = LogLevel.Error, Message = "The {Hook} hook for generation {Generation} failed: {Detail}")]
        public static partial void Failed(ILogger log, string hook, long? generation, string? detail);

        [LoggerMessage(Level = LogLevel.Error, Message = "Cannot end processes {Processes} of the {Hook} hook for generation {Generation}")]
        public static partial void Unstoppable(ILogger log, string hook, long? generation, string processes);
    }
}
