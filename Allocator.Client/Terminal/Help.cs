using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Allocator.Client.Terminal;

/// <summary>Adds examples to the help of each command, and the credentials and exit codes to the help of the program.</summary>
internal sealed class Help : SynchronousCommandLineAction
{
    private const string Epilogue =
        """
        Admins' commands call the API at ALLOCATOR_Url with ALLOCATOR_ADMIN_USER and ALLOCATOR_ADMIN_PASSWORD, or ALLOCATOR_API_KEY.
        Variables that are not set are read from ~/.config/allocator/admin.json (ALLOCATOR_ADMIN_FILE), which must have mode 0600:
          {"url": "https://allocator.example.org", "adminUser": "ada", "adminPassword": "…"}   or   {"url": "…", "apiKey": "…"}

        Exit codes:
        """;

    private readonly HelpAction _help;

    private Help(HelpAction help) => _help = help;

    public override bool ClearsParseErrors => true;

    public static void AddTo(RootCommand root)
    {
        foreach (var option in root.Options.OfType<HelpOption>())
        {
            option.Action = new Help((HelpAction)option.Action!);
        }
    }

    public override int Invoke(ParseResult parseResult)
    {
        var code = _help.Invoke(parseResult);
        var output = parseResult.InvocationConfiguration.Output;
        switch (parseResult.CommandResult.Command)
        {
            case CliCommand command:
                output.WriteLine("Examples:");
                foreach (var example in command.Examples)
                {
                    output.WriteLine($"  {example}");
                }
                break;
            case RootCommand:
                output.WriteLine(Epilogue);
                foreach (var (exitCode, meaning) in ExitCodes.All)
                {
                    output.WriteLine($"  {(int)exitCode,-5}{meaning}");
                }
                break;
        }
        return code;
    }
}
