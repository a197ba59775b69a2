using System.CommandLine;

namespace Allocator.Client.Agent.Machine;

/// <summary>What a person on the VM itself does with this program.</summary>
internal static class MachineCommands
{
    public static void AddTo(RootCommand root)
    {
        root.Add(InstallCommand.Create());
        root.Add(InstallCommand.CreateUninstall());
        root.Add(StatusCommand.Create());
        root.Add(DoctorCommand.Create());
    }
}
