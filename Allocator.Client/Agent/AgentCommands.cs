using System.CommandLine;
using Allocator.Client.Agent.Doctor;
using Allocator.Client.Agent.Install;
using Allocator.Client.Agent.Status;

namespace Allocator.Client.Agent;

/// <summary>The commands for operators on the VM itself.</summary>
internal static class AgentCommands
{
    public static void AddTo(RootCommand root)
    {
        root.Add(InstallCommand.Create());
        root.Add(InstallCommand.CreateUninstall());
        root.Add(StatusCommand.Create());
        root.Add(DoctorCommand.Create());
    }
}
