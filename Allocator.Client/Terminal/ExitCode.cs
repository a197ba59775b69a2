namespace Allocator.Client.Terminal;

/// <summary>The result of a command, for scripts. <see cref="ExitCodes"/> has the meaning of each value.</summary>
internal enum ExitCode
{
    Done = 0,
    Refused = 1,
    WrongUsage = 2,
    Unreachable = 3,
    Credentials = 4,
    NotPermitted = 5,
    Machine = 6,
    Hook = 7,
    Service = 8,
    Interrupted = 130,
}

/// <summary>Describes the exit codes, for <c>--help</c>; a test compares docs/cli.md with it.</summary>
internal static class ExitCodes
{
    public static readonly IReadOnlyList<(ExitCode Code, string Meaning)> All =
    [
        (ExitCode.Done, "Success; for status and doctor: no problem was found"),
        (ExitCode.Refused, "The API refused the request (its message is on standard error), or a rehearsal failed"),
        (ExitCode.WrongUsage, "Wrong usage, or a wrong setting"),
        (ExitCode.Unreachable, "The API is unreachable or unavailable; for status: the last polls failed"),
        (ExitCode.Credentials, "The credentials are missing, wrong or readable by others; for status: the VM is not enrolled"),
        (ExitCode.NotPermitted, "The command must be run as root"),
        (ExitCode.Machine, "A problem with this machine: its folders, its disk, its clock or its machine-id"),
        (ExitCode.Hook, "A hook failed or cannot run"),
        (ExitCode.Service, "The client is not running, its service is not enabled, or systemd is missing"),
        (ExitCode.Interrupted, "Interrupted; a rehearsal has deleted its pool"),
    ];
}
