using System.CommandLine;

namespace Allocator.Client.Admin;

/// <summary>A command of the admin's, with examples for its help.</summary>
internal sealed class AdminCommand : Command
{
    private static readonly Option<bool> Json = new("--json") { Description = "The API's JSON, for scripts" };

    public AdminCommand(string name, string description, params string[] examples)
        : base(name, description) => Examples = examples;

    public IReadOnlyList<string> Examples { get; }

    /// <summary>What it does: calls the API and shows what it says.</summary>
    public AdminCommand Does(Func<IAdminApi, ParseResult, Output, CancellationToken, Task> act)
    {
        Add(Json);
        return Does(async (parsed, cancel) =>
        {
            await act(AdminAccess.Read().Connect(), parsed, new Output(parsed.GetValue(Json)), cancel);
            return ExitCode.Done;
        });
    }

    /// <summary>What it does, and how that ended.</summary>
    public AdminCommand Does(Func<ParseResult, CancellationToken, Task<ExitCode>> act)
    {
        SetAction(async (parsed, cancel) =>
        {
            try
            {
                return (int)await act(parsed, cancel);
            }
            catch (AdminException e)
            {
                await Console.Error.WriteLineAsync(e.Message);
                return (int)e.Code;
            }
        });
        return this;
    }

    /// <summary>With these options and arguments.</summary>
    public AdminCommand With(params ReadOnlySpan<Symbol> symbols)
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
