using System.CommandLine;
using Allocator.Client.Admin.Rehearsal;
using Allocator.Client.Terminal;

namespace Allocator.Client.Admin;

/// <summary>The commands for admins, which call the API from any machine.</summary>
internal static class AdminCommands
{
    public static void AddTo(RootCommand root)
    {
        root.Add(VmCommands.Create());
        root.Add(AssignmentCommands.Create());
        root.Add(PoolCommands.Create());
        root.Add(EnrolmentTokenCommands.Create());
        root.Add(EventCommands.Create());
        root.Add(WatchCommand.Create());
        root.Add(RehearseCommand.Create());
        root.Add(CompletionCommand.Create());
    }

    /// <summary>Sets an action that calls the API and writes its response.</summary>
    public static CliCommand Does(this CliCommand command, Func<IAdminApi, ParseResult, Output, CancellationToken, Task> act) =>
        command.Does(async (parsed, output, cancel) =>
        {
            await act(AdminAccess.Read().Connect(), parsed, output, cancel);
            return ExitCode.Done;
        });
}
