using System.CommandLine;
using Allocator.Contracts;

namespace Allocator.Client.Terminal;

/// <summary>A command with examples in its help, whose action may throw <see cref="CommandException"/>.</summary>
internal sealed class CliCommand : Command
{
    private static readonly Option<bool> Json = new("--json") { Description = "Write JSON, for scripts" };

    public CliCommand(string name, string description, params string[] examples)
        : base(name, description) => Examples = examples;

    public IReadOnlyList<string> Examples { get; }

    /// <summary>Sets the action, whose output is text or, with <c>--json</c>, JSON.</summary>
    public CliCommand Does(Func<ParseResult, Output, CancellationToken, Task<ExitCode>> act)
    {
        Add(Json);
        return Does((parsed, cancel) => act(parsed, new Output(parsed.GetValue(Json)), cancel));
    }

    /// <summary>Sets the action, whose output is always text.</summary>
    public CliCommand Does(Func<ParseResult, CancellationToken, Task<ExitCode>> act)
    {
        SetAction(async (parsed, cancel) =>
        {
            try
            {
                return (int)await act(parsed, cancel);
            }
            catch (CommandException e)
            {
                // The message may quote a reply.
                await Console.Error.WriteLineAsync(PlainText.MakeVisible(e.Message));
                return (int)e.Code;
            }
        });
        return this;
    }

    /// <summary>Adds options, arguments and subcommands.</summary>
    public CliCommand With(params ReadOnlySpan<Symbol> symbols)
    {
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Option option: Add(option); break;
                case Argument argument: Add(argument); break;
                case Command command: Add(command); break;
            }
        }
        return this;
    }
}
