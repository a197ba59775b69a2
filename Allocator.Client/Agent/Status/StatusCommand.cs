using System.CommandLine;
using System.Reflection;
using System.Text.Json;
using Allocator.Client.Agent.Systemd;
using Allocator.Client.Terminal;
using Allocator.Contracts;
using Allocator.Polling;
using Spectre.Console.Rendering;

namespace Allocator.Client.Agent.Status;

/// <summary>The JSON of <c>allocator status --json</c>.</summary>
/// <param name="Problem">What is wrong; null if nothing is.</param>
/// <param name="Service">The state of the service; null if systemd does not run here.</param>
/// <param name="Client">The status that the client wrote; null if it has never run.</param>
internal sealed record StatusReport(bool Ok, int ExitCode, string? Problem, string Version, bool Running, ServiceUnit? Service, ClientStatus? Client);

/// <summary>Implements <c>allocator status</c>, which shows the state of the client on this VM.</summary>
internal static class StatusCommand
{
    private static readonly TimeProvider Time = TimeProvider.System;

    private static readonly Option<FileInfo?> Config = new("--config")
    {
        Description = $"The settings file of the client; default: the service's, {InstalledFiles.Configuration}",
    };

    public static Command Create() => new CliCommand(
            "status", "Show the state of the client on this VM: service, last poll, assignment, hooks",
            "sudo allocator status", "sudo allocator status --json | jq .client.answer")
        .With(Config)
        .Does(ShowAsync);

    private static async Task<ExitCode> ShowAsync(ParseResult parsed, Output output, CancellationToken cancel)
    {
        var config = parsed.GetValue(Config);
        var status = Read(config, out var path);
        var service = config is null ? await ServiceUnit.ReadAsync(cancel) : null;
        var isRunning = service?.IsActive ?? (status is { StoppedAt: null } && IsAllocator(status.ProcessId));
        var (code, problem) = Diagnose(status, service, isRunning, path);
        output.Show(
            new StatusReport(code == ExitCode.Done, (int)code, problem, Version(), isRunning, service, status),
                AgentJson.Default.StatusReport, Render);
        if (problem is not null && !output.Json)
        {
            await Console.Error.WriteLineAsync(problem);
        }
        return code;
    }

    private static ClientStatus? Read(FileInfo? config, out string path)
    {
        try
        {
            if (config is null)
            {
                ServiceEnvironment.Adopt(InstalledFiles.Environment);
            }
            if (ClientSettings.IsClosed(config?.FullName ?? InstalledFiles.Configuration))
            {
                throw new UnauthorizedAccessException();
            }
            path = ClientSettings.Read(config).Options.StatusPath;
            return ClientStatus.Read(path);
        }
        catch (ClientOptionsException e)
        {
            throw new CommandException(ExitCode.WrongUsage, $"{e.Message} For details, run: sudo allocator doctor");
        }
        catch (UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.NotPermitted, "Only root and the client's own user may see this. Run: sudo allocator status");
        }
        catch (Exception e) when (e is IOException or JsonException or InvalidDataException)
        {
            throw new CommandException(ExitCode.Machine, $"The client's status cannot be read: {e.GetBaseException().Message}");
        }
    }

    private static (ExitCode Code, string? Problem) Diagnose(ClientStatus? status, ServiceUnit? service, bool isRunning, string path) =>
        (status, service) switch
    {
        _ when !isRunning => (ExitCode.Service, service is null
            ? $"The client is not running{(status is null ? $", and has never written {path}" : "")}. Run: allocator doctor"
            : $"The client is not running: {ServiceUnit.Name} is {service.ActiveState} ({service.SubState}). Run: sudo allocator doctor"),
        (null, _) => (ExitCode.Service, $"The client is running, but has not written {path} yet."),
        ({ Enrolled: false, LastFailure: { } failure }, _) =>
            (ExitCode.Credentials, $"The VM is not enrolled: {failure.Why}. Run: sudo allocator doctor"),
        ({ FailedPolls: > 0 }, _) => (ExitCode.Unreachable,
            $"The last {(status.FailedPolls == 1 ? "poll" : $"{status.FailedPolls} polls")} failed; the client keeps the last known answer. "
            + "Run: sudo allocator doctor"),
        ({ LastFailedRun: { EndedAt: { } at } }, _) when at > status.StartedAt => (ExitCode.Hook,
            "A hook failed, so the allocator marked this VM as error and will assign nobody to it. "
            + $"Restart the client to clear it: systemctl restart {ServiceUnit.Name}"),
        _ => (ExitCode.Done, null),
    };

    private static IRenderable Render(StatusReport report)
    {
        List<(string, string?)> facts =
        [
            ("client", (report.Running ? "running" : "not running")
                + (report.Service is { } unit ? $": {unit.ActiveState} ({unit.SubState}) since {unit.ActiveSince}, {unit.UnitFileState}" : "")),
            ("version", report.Version),
        ];
        if (report.Client is { } client)
        {
            facts.AddRange(
            [
                ("allocator", $"{client.Url}"),
                ("VM", $"{client.Hostname}{(client.Pool is { } pool ? $", pool {pool}" : "")}{(client.Enrolled ? ", enrolled" : ", not enrolled")}"),
                ("last poll", client.PolledAt is { } polled
                    ? At(polled) + (client.FailedPolls > 0 ? $"; {client.FailedPolls} in a row have failed" : ", answered")
                    : "none yet"),
                ("last answer", client.FailedPolls > 0 && client.AnsweredAt is { } answered ? At(answered) : null),
                ("last failure", client.LastFailure is { } failure ? $"{At(failure.At)}: {StatusText.OneLine(failure.Why)}" : null),
                ("no answer", client.NoContactSince is { } since ? $"since {At(since)}" : null),
                ("next poll", report.Running && client.NextPollAt is { } next
                    ? At(next) + (client.Interval is { } interval ? $"; every {interval.TotalSeconds:0} to {2 * interval.TotalSeconds:0} s" : "")
                    : null),
                ("state", client.Answer is { } answer ? $"{Options.WireName(answer.State)} (generation {answer.Generation})"
                    : "unknown (no answer yet)"),
                ("person", client.Answer?.Assignment is { } person ? $"{person.Email}, since {At(new DateTimeOffset(person.AssignedAt))}" : null),
                ("last hook", client.LastRun is { } run ? Hook(run) : null),
                ("", client.LastRun?.Detail),
                ("failed hook", client.LastFailedRun is { } failed && failed != client.LastRun ? Hook(failed) : null),
                ("", client.LastFailedRun is { Detail: { } detail } && client.LastFailedRun != client.LastRun ? detail : null),
                ("", client.OutcomePending ? "Its outcome has not been reported yet." : null),
            ]);
        }
        return Output.Facts([.. facts]);
    }

    private static string Hook(HandlerRun run) =>
        $"{(run.For == VmState.Assigned ? "assigned" : "released")} (generation {run.Generation}), started {At(run.StartedAt)}"
        + (run.EndedAt is { } ended ? $", took {(ended - run.StartedAt).TotalSeconds:0.0} s: "
            + $"{(run.Outcome == Outcome.Failed ? "failed" : "succeeded")}" : ", still running");

    private static string At(DateTimeOffset time)
    {
        var distance = Time.GetUtcNow() - time;
        var span = distance.Duration() switch
        {
            { TotalSeconds: < 120 } near => $"{near.TotalSeconds:0} s",
            { TotalMinutes: < 120 } near => $"{near.TotalMinutes:0} min",
            { TotalHours: < 48 } near => $"{near.TotalHours:0} h",
            var far => $"{far.TotalDays:0} days",
        };
        return $"{Output.Time(time.UtcDateTime)} ({(distance < TimeSpan.Zero ? $"in {span}" : $"{span} ago")})";
    }

    private static bool IsAllocator(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/comm").Trim() is "allocator" or "dotnet";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string Version() =>
        typeof(StatusCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];
}
