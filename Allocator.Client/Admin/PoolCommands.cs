using System.CommandLine;
using System.Net;
using System.Text;
using Allocator.Client.Terminal;
using Allocator.Contracts;

namespace Allocator.Client.Admin;

/// <summary>Implements <c>allocator pools …</c>.</summary>
internal static class PoolCommands
{
    private static readonly Argument<string> Name = new("pool") { Description = "The pool's name" };
    private static readonly Option<bool?> Open = new("--open") { Description = "Whether people can request VMs", HelpName = "true|false" };
    private static readonly Option<Change<DateTime?>?> OpensAt = Options.TimeOrNone("--opens-at", "Refuse requests before this time");
    private static readonly Option<Change<DateTime?>?> ClosesAt = Options.TimeOrNone("--closes-at", "Refuse requests from this time on");
    private static readonly Option<Change<DateTime?>?> RushUntil = Options.TimeOrNone(
        "--rush-until", "Let free VMs poll every few seconds until this time, because many people will arrive at once");
    private static readonly Option<Change<TimeSpan?>?> Duration = Options.DurationOrNone("--duration", "How long a person has the VM once connected");
    private static readonly Option<Change<TimeSpan?>?> Warning = Options.DurationOrNone("--warning", "How long before the end to warn the person");
    private static readonly Option<bool?> MoveWhenLost = new("--move-when-lost")
    {
        Description = "Move connected people to another VM when theirs is lost",
        HelpName = "true|false",
    };
    private static readonly Option<string[]> EmailDomains = new("--email-domain")
    {
        Description = "Accept only e-mail addresses of these domains; none accepts any",
        HelpName = "domain|none",
        AllowMultipleArgumentsPerToken = true,
    };
    private static readonly Option<Change<int?>?> MostPerAddress = Options.NumberOrNone(
        "--most-per-address", "Maximum number of live assignments per client IP address");
    private static readonly Option<bool> AccessCode = new("--access-code-stdin")
    {
        Description = "Read the access code that people must enter from standard input; an empty line removes it",
    };
    private static readonly Option<FileInfo?> File = new("--set")
    {
        Description = "Replace the roster by this CSV file: one address per line, or a column 'email'",
        HelpName = "file",
    };
    private static readonly Option<bool> Remove = new("--remove") { Description = "Remove the roster, so that everybody is admitted" };
    private static readonly Option<int> Limit = Options.Limit("people");

    public static Command Create() => new CliCommand("pools", "List, create and change pools of VMs",
            "allocator pools list", "allocator pools show default", "allocator pools set default --duration 02:00:00 --warning 00:10:00")
        .With(
            new CliCommand("list", "List all pools", "allocator pools list").Does(ListAsync),
            new CliCommand("show", "Show one pool: its VMs, why some are not free, and its queue", "allocator pools show default")
                .With(Name).Does(ShowAsync),
            new CliCommand("set", "Create or change a pool. Settings that are not given stay the same; none clears a setting.",
                "allocator pools set default --opens-at 09:00 --closes-at 12:00",
                "allocator pools set default --duration 02:00:00 --warning 00:10:00 --email-domain example.org",
                "allocator pools set default --duration none",
                "allocator pools set default --access-code-stdin < code.txt")
                .With(Name, Open, OpensAt, ClosesAt, RushUntil, Duration, Warning, MoveWhenLost, EmailDomains, MostPerAddress, AccessCode)
                .Does(SetAsync),
            new CliCommand("delete", "Delete a pool that has no VMs and no people. A rehearsal's pool is deleted with everything in it.",
                "allocator pools delete gpu")
                .With(Name).Does(DeleteAsync),
            new CliCommand("roster", "Show or replace the list of people who are admitted. Without a roster, everybody is.",
                "allocator pools roster default", "allocator pools roster default --set class.csv", "allocator pools roster default --remove")
                .With(Name, File, Remove, Limit).Does(RosterAsync));

    /// <summary>Renders a pool, for <c>show</c> and <c>watch</c>.</summary>
    public static Spectre.Console.Rendering.IRenderable Render(Pool pool) => Output.Facts(
    [
        ("pool", pool.Name), ("", pool.Summary), ("open", pool.Open ? "yes" : "no"), ("rush", pool.InRush ? "yes" : null),
        ("opens", Output.Time(pool.Settings.OpensAt)), ("closes", Output.Time(pool.Settings.ClosesAt)),
        ("time per person", $"{pool.Settings.Duration}"), ("warning before end", $"{pool.Settings.Warning}"),
        ("access code", pool.NeedsAccessCode ? "required" : null), ("rehearsal", pool.Settings.Rehearsal ? "yes" : null),
        ("e-mail domains", pool.Settings.EmailDomains is { } domains ? string.Join(", ", domains) : null),
        ("roster", pool.Roster == 0 ? null : $"{pool.Roster:N0} people"),
        ("max per address", $"{pool.Settings.MostPerAddress}"), ("move when lost", pool.Settings.MoveWhenLost ? "yes" : null),
        ("waiting", $"{pool.Waiting:N0}"), ("longest wait", Output.Seconds(pool.LongestWaitSeconds)),
        .. pool.NotFree.Select((reason, i) => (i == 0 ? "not free" : "", (string?)$"{reason.Vms:N0}: {reason.Text} ({reason.Code})")),
    ]);

    private static async Task ListAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel) =>
        output.Show(Reply.Content(await api.ListPoolsAsync(cancel)), WireJson.Default.IReadOnlyListPool, pools => Output.Table(
            ["POOL", "OPEN", "VMS", "FREE", "ASSIGNED", "CONNECTED", "CLEANING", "UNREADY", "LOST", "HELD", "WAITING", "LONGEST WAIT"],
            pools.Select(pool => new[]
            {
                pool.Name, pool.Open ? "yes" : "no", $"{pool.Vms.Total}", $"{pool.Vms.Free}", $"{pool.Vms.Assigned}", $"{pool.Vms.Connected}",
                $"{pool.Vms.Cleaning}", $"{pool.Vms.Unready}", $"{pool.Vms.Lost}", $"{pool.Vms.Held}", $"{pool.Waiting}",
                Output.Seconds(pool.LongestWaitSeconds),
            })));

    private static async Task ShowAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel) =>
        output.Show(Reply.Content(await api.FindPoolAsync(parsed.GetRequiredValue(Name), cancel)), WireJson.Default.Pool, Render);

    private static async Task SetAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var name = parsed.GetRequiredValue(Name);
        var found = await api.FindPoolAsync(name, cancel);
        var was = found.StatusCode == HttpStatusCode.NotFound ? new PoolSettings() : Reply.Content(found).Settings;
        Reply.Check(await api.PutPoolAsync(name, was with
        {
            Open = parsed.GetValue(Open) ?? was.Open,
            AccessCode = parsed.GetValue(AccessCode) ? (await Console.In.ReadLineAsync(cancel))?.Trim() ?? "" : null,
            OpensAt = Changed(parsed, OpensAt, was.OpensAt),
            ClosesAt = Changed(parsed, ClosesAt, was.ClosesAt),
            RushUntil = Changed(parsed, RushUntil, was.RushUntil),
            Duration = Changed(parsed, Duration, was.Duration),
            Warning = Changed(parsed, Warning, was.Warning),
            MoveWhenLost = parsed.GetValue(MoveWhenLost) ?? was.MoveWhenLost,
            EmailDomains = parsed.GetValue(EmailDomains) switch { null or [] => was.EmailDomains, ["none"] => null, var domains => domains },
            MostPerAddress = Changed(parsed, MostPerAddress, was.MostPerAddress),
        }, cancel));
        await ShowAsync(api, parsed, output, cancel);
    }

    private static async Task DeleteAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var name = parsed.GetRequiredValue(Name);
        Reply.Check(await api.DeletePoolAsync(name, cancel));
        output.Print($"Deleted pool {name}.");
    }

    private static async Task RosterAsync(IAdminApi api, ParseResult parsed, Output output, CancellationToken cancel)
    {
        var name = parsed.GetRequiredValue(Name);
        if (parsed.GetValue(File) is { } file)
        {
            using var csv = new StringContent(Read(file), Encoding.UTF8, "text/csv");
            output.Show(Reply.Content(await api.PutRosterAsync(name, csv, cancel)), WireJson.Default.RosterSize,
                size => Output.Facts(("roster", $"{size.People:N0} people")));
        }
        else if (parsed.GetValue(Remove))
        {
            Reply.Check(await api.DeleteRosterAsync(name, cancel));
            output.Print($"Removed the roster: pool {name} admits everybody.");
        }
        else
        {
            var page = await Reply.AllAsync(parsed.GetValue(Limit), (after, limit) => api.ListRosterAsync(name, after, limit, cancel));
            output.ShowList(page, WireJson.Default.PageRosterEntry, ["PERSON"], person => [person.Email]);
        }
    }

    private static string Read(FileInfo file)
    {
        try
        {
            return System.IO.File.ReadAllText(file.FullName);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.WrongUsage, $"Cannot read {file}: {e.Message}");
        }
    }

    private static T? Changed<T>(ParseResult parsed, Option<Change<T?>?> option, T? was) =>
        parsed.GetValue(option) is { } change ? change.Value : was;
}
