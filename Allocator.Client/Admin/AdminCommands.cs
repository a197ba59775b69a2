using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Allocator.Client.Admin.Rehearsal;

namespace Allocator.Client.Admin;

/// <summary>What admins do with this program, from wherever they are.</summary>
internal static class AdminCommands
{
    private const string Epilogue =
        """
        Admins' commands ask the API at ALLOCATOR_Url with ALLOCATOR_ADMIN_USER and ALLOCATOR_ADMIN_PASSWORD, or ALLOCATOR_API_KEY;
        what is not set comes from ~/.config/allocator/admin.json (ALLOCATOR_ADMIN_FILE), which must have mode 0600:
          {"url": "https://allocator.example.org", "adminUser": "ada", "adminPassword": "…"}   or   {"url": "…", "apiKey": "…"}

        Exit codes: 0 done; 1 the API refused, and says why, or a rehearsal failed; 2 wrong usage; 3 the API cannot be reached;
        4 credentials; 130 interrupted;
        of status, doctor, install and uninstall also: 5 say it as root; 6 the machine; 7 a hook; 8 the service.
        """;

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
        foreach (var help in root.Options.OfType<HelpOption>())
        {
            help.Action = new HelpWithExamples((HelpAction)help.Action!);
        }
    }

    private sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            var code = help.Invoke(parseResult);
            var output = parseResult.InvocationConfiguration.Output;
            switch (parseResult.CommandResult.Command)
            {
                case AdminCommand command:
                    output.WriteLine("Examples:");
                    foreach (var example in command.Examples)
                    {
                        output.WriteLine($"  {example}");
                    }
                    break;
                case RootCommand:
                    output.WriteLine(Epilogue);
                    break;
            }
            return code;
        }
    }
}
