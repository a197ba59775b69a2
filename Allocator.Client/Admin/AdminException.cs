namespace Allocator.Client.Admin;

/// <summary>How a command ended, for scripts.</summary>
internal enum ExitCode
{
    /// <summary>Done.</summary>
    Done = 0,

    /// <summary>The API answered that it does not do this; or a rehearsal did not go as it should.</summary>
    Refused = 1,

    /// <summary>The command or a setting is not as it must be.</summary>
    WrongUsage = 2,

    /// <summary>No answer, or none that is the allocator's.</summary>
    Unreachable = 3,

    /// <summary>There are no credentials, they are not kept safely, or they are wrong.</summary>
    Credentials = 4,

    /// <summary>Somebody else has to do this: root, or the user that the client runs as.</summary>
    NotPermitted = 5,

    /// <summary>Something about this machine: its disk, its folders, its clock, its identity.</summary>
    Machine = 6,

    /// <summary>A hook cannot do its work.</summary>
    Hook = 7,

    /// <summary>The client does not run, or systemd would not start it.</summary>
    Service = 8,

    /// <summary>By Ctrl-C or a signal; what was begun has been undone.</summary>
    Interrupted = 130,
}

/// <summary>Why a command cannot be done, in words for the admin.</summary>
internal sealed class AdminException(ExitCode code, string message) : Exception(message)
{
    public ExitCode Code { get; } = code;
}
