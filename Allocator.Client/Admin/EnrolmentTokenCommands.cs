using System.CommandLine;
using System.Text.Json;
using Allocator.Client.Terminal;
using Allocator.Contracts;
using Allocator.Polling;

namespace Allocator.Client.Admin;

/// <summary>Implements <c>allocator enrolment-tokens …</c>.</summary>
internal static class EnrolmentTokenCommands
{
    private static readonly Argument<Guid> Id = new("id") { Description = "The token's id, as shown by 'list'", HelpName = "id" };
    private static readonly Option<string?> Hostname = Options.Text("--hostname", "Restrict the tokens to this host name", "hostname");
    private static readonly Option<string?> Pool = Options.Text("--pool", "Restrict the tokens to this pool", "pool");
    private static readonly Option<string?> OfHostname = Options.Text("--hostname", "Select tokens restricted to this host name", "hostname");
    private static readonly Option<string?> OfPool = Options.Text("--pool", "Select tokens restricted to this pool", "pool");
    private static readonly Option<int?> Uses = Options.Number("--uses", "Number of machines that can enrol with each token; default 1");
    private static readonly Option<int?> Count = Options.Number("--count", "Number of tokens to create; default 1");
    private static readonly Option<TimeSpan?> ValidFor = Options.Duration("--valid-for", "How long the tokens are valid; default 24h");
    private static readonly Option<DateTime?> Until = Options.Time("--until", "Time at which the tokens expire, instead of --valid-for");
    private static readonly Option<FileInfo?> File = new("--output")
    {
        Description = "Write the tokens to this file, readable by its owner only, instead of to the terminal",
        HelpName = "file",
    };
    private static readonly Option<int> Limit = Options.Limit("tokens");

    public static Command Create() => new CliCommand("enrolment-tokens", "Create, list and delete tokens with which machines enrol as VMs",
            "allocator enrolment-tokens create --hostname vm-7 --output vm-7.token", "allocator enrolment-tokens list")
        .With(
            new CliCommand("list", "List tokens and their use, oldest first. The tokens themselves are not stored and not shown.",
                "allocator enrolment-tokens list", "allocator enrolment-tokens list --pool gpu --json")
                .With(OfHostname, OfPool, Limit).Does(ListAsync),
            new CliCommand("create", "Create tokens and print them, one per line. They cannot be shown again.",
                "allocator enrolment-tokens create --hostname vm-7 --output vm-7.token",
                "allocator enrolment-tokens create --pool gpu --uses 30 --valid-for 02:00:00",
                "allocator enrolment-tokens create --count 30 --output tokens.txt")
                .With(Hostname, Pool, Uses, Count, ValidFor, Until, File).Does(CreateAsync),
            new CliCommand("delete", "Revoke a token. VMs that enrolled with it are kept.",
                "allocator enrolment-tokens delete 0198f000-0000-7000-8000-00000000000a")
                .With(Id).Does(DeleteAsync));

    private static async Task ListAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var page = await Reply.AllAsync(parsed.GetValue(Limit), (after, limit) => api.ListEnrolmentTokensAsync(
            parsed.GetValue(OfPool), parsed.GetValue(OfHostname), after, limit, cancel));
        string[] columns = ["VM", "POOL", "USES LEFT", "EXPIRES", "LAST USED", "USED BY", "CREATED", "CREATED BY", "ID"];
        output.ShowList(page, WireJson.Default.PageEnrolmentToken, columns, token =>
        [
            token.Hostname ?? "any", token.Pool ?? "any", $"{token.UsesLeft} of {token.Uses}", Output.Time(token.ExpiresAt),
            Output.Time(token.LastUsedAt), token.LastUsedBy, Output.Time(token.CreatedAt), token.CreatedBy, $"{token.Id}",
        ]);
    }

    private static async Task CreateAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        // The file is opened before the tokens are created: a token that cannot be written would be lost.
        var path = parsed.GetValue(File)?.FullName;
        using var file = path is null ? null : TryWrite(path, () => new PrivateFile(path));
        var made = Reply.Content(await api.MakeEnrolmentTokensAsync(
            new EnrolmentTokenRequest(
                parsed.GetValue(Pool), parsed.GetValue(Hostname), parsed.GetValue(Uses) ?? 1, parsed.GetValue(Until), parsed.GetValue(ValidFor),
                parsed.GetValue(Count) ?? 1),
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
        var tokens = made.Items.Count == 1 ? "token" : "tokens";
        Console.Error.WriteLine($"Created {made.Items.Count:N0} {tokens}, valid until {Output.Time(made.Items[0].ExpiresAt)}.");
    }

    private static T TryWrite<T>(string path, Func<T> write)
    {
        try
        {
            return write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.WrongUsage, $"Cannot write {path}: {e.Message}");
        }
    }

    private static async Task DeleteAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var id = parsed.GetRequiredValue(Id);
        Reply.Check(await api.DeleteEnrolmentTokenAsync(id, cancel));
        output.Print($"Deleted enrolment token {id}.");
    }
}
