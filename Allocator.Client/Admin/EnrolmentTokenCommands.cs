using System.CommandLine;
using System.Text.Json;
using Allocator.Client.Terminal;
using Allocator.Contracts;
using Allocator.Polling;

namespace Allocator.Client.Admin;

/// <summary><c>allocator enrolment-tokens …</c></summary>
internal static class EnrolmentTokenCommands
{
    private static readonly Argument<Guid> Id = new("id") { Description = "The token's id, as the list shows it", HelpName = "id" };
    private static readonly Option<string?> Hostname = Options.Text("--hostname", "Good for this host name only", "hostname");
    private static readonly Option<string?> Pool = Options.Text("--pool", "Good for this pool only", "pool");
    private static readonly Option<string?> OfHostname = Options.Text("--hostname", "Bound to this host name", "hostname");
    private static readonly Option<string?> OfPool = Options.Text("--pool", "Bound to this pool", "pool");
    private static readonly Option<int?> Uses = Options.Number("--uses", "How many machines each lets in; 1 if absent");
    private static readonly Option<int?> Count = Options.Number("--count", "How many tokens, all alike; 1 if absent");
    private static readonly Option<TimeSpan?> ValidFor = Options.Duration("--valid-for", "For how long; a day if neither this nor --until is given");
    private static readonly Option<DateTime?> Until = Options.Time("--until", "Until when");
    private static readonly Option<FileInfo?> File = new("--output") { Description = "Write the tokens to this file, which only its owner can read, and not to the terminal", HelpName = "file" };
    private static readonly Option<int> Limit = Options.Limit("tokens");

    public static Command Create() => new CliCommand("enrolment-tokens", "Let single machines join the fleet",
            "allocator enrolment-tokens create --hostname vm-7 --output vm-7.token", "allocator enrolment-tokens list")
        .With(
            new CliCommand("list", "Tokens and who came in by them, the oldest first; never the tokens themselves",
                "allocator enrolment-tokens list", "allocator enrolment-tokens list --pool gpu --json")
                .With(OfHostname, OfPool, Limit).Does(ListAsync),
            new CliCommand("create", "Make tokens; they are shown this once, a line for each",
                "allocator enrolment-tokens create --hostname vm-7 --output vm-7.token",
                "allocator enrolment-tokens create --pool gpu --uses 30 --valid-for 02:00:00",
                "allocator enrolment-tokens create --count 30 --output tokens.txt")
                .With(Hostname, Pool, Uses, Count, ValidFor, Until, File).Does(CreateAsync),
            new CliCommand("delete", "Let nobody in by a token any more; who came in by it stays",
                "allocator enrolment-tokens delete 0198f000-0000-7000-8000-00000000000a")
                .With(Id).Does(DeleteAsync));

    private static async Task ListAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var page = await Reply.AllAsync(parsed.GetValue(Limit), (after, limit) => api.ListEnrolmentTokensAsync(
            parsed.GetValue(OfPool), parsed.GetValue(OfHostname), after, limit, cancel));
        output.ShowList(page, WireJson.Default.PageEnrolmentToken, ["VM", "POOL", "USES LEFT", "EXPIRES", "LAST USED", "BY", "MADE", "BY", "ID"], token =>
        [
            token.Hostname ?? "any", token.Pool ?? "any", $"{token.UsesLeft} of {token.Uses}", Output.Time(token.ExpiresAt),
            Output.Time(token.LastUsedAt), token.LastUsedBy, Output.Time(token.CreatedAt), token.CreatedBy, $"{token.Id}",
        ]);
    }

    private static async Task CreateAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        // Before they are made: a token that cannot be written anywhere is shown to nobody ever again.
        var path = parsed.GetValue(File)?.FullName;
        using var file = path is null ? null : TryWrite(path, () => new PrivateFile(path));
        var made = Reply.Content(await api.MakeEnrolmentTokensAsync(
            new EnrolmentTokenRequest(
                parsed.GetValue(Pool), parsed.GetValue(Hostname), parsed.GetValue(Uses) ?? 1, parsed.GetValue(Until), parsed.GetValue(ValidFor), parsed.GetValue(Count) ?? 1),
            cancel));
        var text = output.Json
            ? JsonSerializer.Serialize(made, WireJson.Default.NewEnrolmentTokens) + Environment.NewLine
            : string.Concat(made.Items.Select(token => token.Token + Environment.NewLine));
        if (file is null)
        {
            Console.Write(text);
        }
        else
        {
            TryWrite(path!, () =>
            {
                file.Write(text);
                file.Commit(durably: true);
                return file;
            });
        }
        Console.Error.WriteLine($"{made.Items.Count:N0} token{(made.Items.Count == 1 ? "" : "s")}, good until {Output.Time(made.Items[0].ExpiresAt)}.");
    }

    private static T TryWrite<T>(string path, Func<T> write)
    {
        try
        {
            return write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.WrongUsage, $"{path} cannot be written: {e.Message}");
        }
    }

    private static async Task DeleteAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var id = parsed.GetRequiredValue(Id);
        Reply.Check(await api.DeleteEnrolmentTokenAsync(id, cancel));
        output.Print($"{id} is deleted.");
    }
}
