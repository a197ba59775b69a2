namespace Allocator.Client.Terminal;

/// <summary>Ends a command with an exit code and a message for the person who ran it.</summary>
internal sealed class CommandException(ExitCode code, string message) : Exception(message)
{
    public ExitCode Code { get; } = code;
}
