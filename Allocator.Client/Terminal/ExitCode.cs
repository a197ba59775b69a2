namespace Allocator.Client.Terminal;

/// <summary>How a command ended, for scripts.</summary>
internal enum ExitCode
{
    /// <summary>The command succeeded.</summary>
    Done = 0,

    /// <summary>The API refused the request, or a rehearsal failed.</summary>
    Refused = 1,

    /// <summary>The command line or a setting is wrong.</summary>
    WrongUsage = 2,

    /// <summary>There was no response, or it did not come from an allocator.</summary>
    Unreachable = 3,

    /// <summary>The credentials are missing, wrong or readable by others.</summary>
    Credentials = 4,

    /// <summary>The command must be run as another user: root, or the one that the client runs as.</summary>
    NotPermitted = 5,

    /// <summary>There is a problem with this machine: its disk, its folders, its clock or its machine-id.</summary>
    Machine = 6,

    /// <summary>A hook cannot run.</summary>
    Hook = 7,

    /// <summary>The service is not running, or systemd would not start it.</summary>
    Service = 8,

    /// <summary>Ctrl-C or a signal interrupted the command, and its changes have been undone.</summary>
    Interrupted = 130,
}
