using System.CommandLine;
using Allocator.Client.Terminal;

namespace Allocator.Client.Admin;

/// <summary>Implements <c>allocator completion</c>, whose script lets the shell call the program for suggestions.</summary>
internal static class CompletionCommand
{
    private const string Bash =
        """
        _allocator() {
          local IFS=$'\n'
          COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _allocator allocator
        """;

    private const string Zsh = $"autoload -U +X bashcompinit && bashcompinit\n{Bash}";

    public static Command Create()
    {
        var shell = new Argument<string>("shell") { Description = "The shell to write the script for" };
        shell.AcceptOnlyFromAmong("bash", "zsh");
        var command = new CliCommand("completion", "Print a script that makes the shell complete these commands",
            "source <(allocator completion bash)", "allocator completion bash > /etc/bash_completion.d/allocator").With(shell);
        command.SetAction(parsed => Console.WriteLine(parsed.GetValue(shell) == "zsh" ? Zsh : Bash));
        return command;
    }
}
