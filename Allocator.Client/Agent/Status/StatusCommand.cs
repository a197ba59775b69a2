using System.CommandLine;
using System.Reflection;
using System.Text.Json;
using Allocator.Client.Agent.Systemd;
using Allocator.Client.Terminal;
using Allocator.Contracts;
using Allocator.Polling;
using Spectre.Console.Rendering;

namespace Allocator.Client.Agent.Status;

/// <summary>What <c>allocator status --json</c> prints.</summary>
/// <param name="Problem">Why it is not well; null where it is.</param>
/// <param name="Service">What systemd knows; null where it does not run.</param>
/// <param name="Client">What the client knows; null where it never ran.</param>
internal sealed record StatusReport(bool Ok, int ExitCode, string? Problem, string Version, bool Running, ServiceUnit? Service, ClientStatus? Client);

/// <summary><c>allocator status</c>: what the client on this VM knows, on one screen.</summary>
internal static class StatusCommand
{
    private static readonly TimeProvider Time = TimeProvider.System;

    private static readonly Option<FileInfo?> Config = new("--config")
    {
        Description = $"The settings file of the client that is asked about; {InstalledFiles.Configuration}, the service's, if absent",
    };

    public static Command Create() => new CliCommand("status", "What the client on this VM knows: does it run, when did it poll, whom does it have, how did its hook end",
            "sudo allocator status", "sudo allocator status --json | jq .client.answer")
        .With(Config)
        .Does(ShowAsync);

    private static async Task<ExitCode> ShowAsync(ParseResult parsed, Output output, CancellationToken cancel)
    {
        var config = parsed.GetValue(Config);
        var status = Read(config, out var path);
        var service = config is null ? await ServiceUnit.ReadAsync(cancel) : null;
        var isRunning = service?.IsActive ?? (status is { StoppedAt: null } && IsAllocator(status.ProcessId));
        var (code, problem) = Judge(status, service, isRunning, path);
        output.Show(
            new StatusReport(code == ExitCode.Done, (int)code, problem, Version(), isRunning, service, status), AgentJson.Default.StatusReport, Render);
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
            throw new CommandException(ExitCode.WrongUsage, $"{e.Message} More: sudo allocator doctor");
        }
        catch (UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.NotPermitted, "Only root and the client's own user may see who has this VM. Say: sudo allocator status");
        }
        catch (Exception e) when (e is IOException or JsonException or InvalidDataException)
        {
            throw new CommandException(ExitCode.Machine, $"What the client knows cannot be read: {e.GetBaseException().Message}");
        }
    }

    private static (ExitCode Code, string? Problem) Judge(ClientStatus? status, ServiceUnit? service, bool isRunning, string path) => (status, service) switch
    {
        _ when !isRunning => (ExitCode.Service, service is null
            ? $"The client does not run{(status is null ? $", and never did with its state in {Path.GetDirectoryName(path)}" : "")}. Say: allocator doctor"
            : $"The client does not run: {ServiceUnit.Name} is {service.ActiveState} ({service.SubState}). Say: sudo allocator doctor"),
        (null, _) => (ExitCode.Service, $"The client runs, and has not written {path} yet."),
        ({ Enrolled: false, LastFailure: { } failure }, _) => (ExitCode.Credentials, $"The VM is not enrolled: {failure.Why}. Say: sudo allocator doctor"),
        ({ FailedPolls: > 0 }, _) => (ExitCode.Unreachable, $"The last {(status.FailedPolls == 1 ? "poll" : $"{status.FailedPolls} polls")} failed; the client goes on with what it knows. Why: sudo allocator doctor"),
        ({ LastFailedRun: { EndedAt: { } at } }, _) when at > status.StartedAt => (ExitCode.Hook,
            $"A hook failed: to the allocator this VM is in error, and gets nobody, until an admin says otherwise or the client starts anew: systemctl restart {ServiceUnit.Name}"),
        _ => (ExitCode.Done, null),
    };

    private static IRenderable Render(StatusReport report)
    {
        List<(string, string?)> facts =
        [
            ("client", $"{(report.Running ? "runs" : "does not run")}{(report.Service is { } service ? $": {service.ActiveState} ({service.SubState}) since {service.ActiveSince}, {service.UnitFileState}" : "")}"),
            ("version", report.Version),
        ];
        if (report.Client is { } client)
        {
            facts.AddRange(
            [
                ("allocator", $"{client.Url}"),
                ("VM", $"{client.Hostname}{(client.Pool is { } pool ? $", pool {pool}" : "")}{(client.Enrolled ? ", enrolled" : ", not enrolled")}"),
                ("last poll", client.PolledAt is { } polled ? $"{At(polled)}{(client.FailedPolls > 0 ? $"; {client.FailedPolls} in a row have failed" : ", answered")}" : "none yet"),
                ("last answer", client.FailedPolls > 0 && client.AnsweredAt is { } answered ? At(answered) : null),
                ("last failure", client.LastFailure is { } failure ? $"{At(failure.At)}: {StatusText.OneLine(failure.Why)}" : null),
                ("no contact", client.NoContactSince is { } since ? $"since {At(since)}" : null),
                ("next poll", report.Running && client.NextPollAt is { } next ? $"{At(next)}{(client.Interval is { } interval ? $"; every {interval.TotalSeconds:0} to {2 * interval.TotalSeconds:0} s" : "")}" : null),
                ("the VM is", client.Answer is { } answer ? $"{Options.WireName(answer.State)} (generation {answer.Generation})" : "nobody's, as far as is known"),
                ("for", client.Answer?.Assignment is { } person ? $"{person.Email}, since {At(new DateTimeOffset(person.AssignedAt))}" : null),
                ("last hook", client.LastRun is { } run ? Hook(run) : null),
                ("", client.LastRun?.Detail),
                ("failed hook", client.LastFailedRun is { } failed && failed != client.LastRun ? Hook(failed) : null),
                ("", client.LastFailedRun is { Detail: { } detail } && client.LastFailedRun != client.LastRun ? detail : null),
                ("", client.OutcomeUnheard ? "The allocator has not heard of it yet." : null),
            ]);
        }
        return Output.Facts([.. facts]);
    }

    private static string Hook(HandlerRun run) =>
        $"{(run.For == VmState.Assigned ? "assigned" : "released")} (generation {run.Generation}), began {At(run.StartedAt)}"
        + (run.EndedAt is { } ended ? $", took {(ended - run.StartedAt).TotalSeconds:0.0} s: {(run.Outcome == Outcome.Failed ? "failed" : "succeeded")}" : ", still running");

    private static string At(DateTimeOffset time)
    {
        var away = Time.GetUtcNow() - time;
        var span = away.Duration() switch
        {
            { TotalSeconds: < 120 } near => $"{near.TotalSeconds:0} s",
            { TotalMinutes: < 120 } near => $"{near.TotalMinutes:0} min",
            { TotalHours: < 48 } near => $"{near.TotalHours:0} h",
            var far => $"{far.TotalDays:0} days",
        };
        return $"{Output.Time(time.UtcDateTime)} ({(away < TimeSpan.Zero ? $"in {span}" : $"{span} ago")})";
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
