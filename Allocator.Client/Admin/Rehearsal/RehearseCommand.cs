using System.CommandLine;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Allocator.Client.Terminal;
using Spectre.Console;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary><c>allocator rehearse</c>: a whole workshop, the evening before.</summary>
internal static class RehearseCommand
{
    private const int Max = 100_000;

    /// <summary>A host name's first part has at most 63 characters, and the VM's number takes some of them.</summary>
    private const int MaxPool = 50;

    /// <summary>How long it is tried to leave nothing behind, where the allocator is away.</summary>
    private static readonly TimeSpan CleaningTimeout = TimeSpan.FromMinutes(1);

    private static readonly Option<int> Vms = Number("--vms", "VMs that enrol and poll as real ones do");
    private static readonly Option<int> People = Number("--people", "People who come; a third of them comes again");
    private static readonly Option<TimeSpan?> Arrive = Options.Duration("--arrive", "Over how long people come; 60s if absent");
    private static readonly Option<bool> AtOnce = new("--at-once") { Description = "All people come in the same moment" };
    private static readonly Option<TimeSpan?> Stay = Options.Duration("--stay", "How long each keeps their VM; 30s if absent");
    private static readonly Option<TimeSpan?> Timeout = Options.Duration("--patience", "When nothing has happened for so long, it is over; 2m if absent");
    private static readonly Option<string> Prefix = new("--pool-prefix") { Description = "How the pool's name begins that is made for it", HelpName = "prefix", DefaultValueFactory = _ => "rehearsal" };
    private static readonly Option<string?> Pool = Options.Text("--pool", "The pool's whole name; there must be none of this name", "pool");
    private static readonly Option<string?> Json = Options.Text("--json", "Write the report with all figures to this file; - for standard output", "file|-");
    private static readonly Option<bool> Yes = new("--yes") { Description = "Do not ask" };
    private static readonly Option<bool> CleanUp = new("--clean-up") { Description = "Only remove what rehearsals left behind that were ended by force" };

    public static Command Create() => new CliCommand("rehearse", "Play a whole workshop against this allocator, and say whether all went well; leaves nothing behind",
            "allocator rehearse --vms 30 --people 35", "allocator rehearse --vms 500 --people 500 --at-once --yes --json report.json", "allocator rehearse --clean-up")
        .With(Vms, People, Arrive, AtOnce, Stay, Timeout, Prefix, Pool, Json, Yes, CleanUp).Does(RunAsync);

    private static async Task<ExitCode> RunAsync(ParseResult parsed, CancellationToken cancel)
    {
        // What scripts read goes to standard output alone.
        var terminal = (parsed.GetValue(Json) == "-" ? Output.OnStandardError() : new Output(false)).Terminal;
        var access = AdminAccess.Read();
        var api = access.Connect();
        if (parsed.GetValue(CleanUp))
        {
            if (!await CleanUpAsync(api, terminal, cancel))
            {
                terminal.WriteLine("Nothing was left behind.");
            }
            return ExitCode.Done;
        }
        var plan = ReadPlan(parsed, access.Url);
        CheckFile(parsed.GetValue(Json));
        var pool = new RehearsalPool(api, plan.Pool, TimeProvider.System);
        await CleanUpAsync(api, terminal, cancel);
        await pool.CheckNameAsync(cancel);
        if (!parsed.GetValue(Yes) && !await ConfirmedAsync(plan, cancel))
        {
            return ExitCode.WrongUsage;
        }
        using var impatience = Impatience(terminal, plan.Pool);
        try
        {
            terminal.WriteLine($"{plan.Vms:N0} VMs and {plan.People:N0} people in pool {plan.Pool} at {plan.Url}");
            using var workshop = new WorkshopSimulation(plan, api, pool, TimeProvider.System);
            var play = workshop.PlayAsync(cancel);
            await new ProgressDisplay(terminal, plan, workshop.Recorder, TimeProvider.System).ShowAsync(play);
            var report = await play;
            report.Write(terminal);
            await WriteAsync(report, parsed.GetValue(Json));
            return report.Passed ? ExitCode.Done : ExitCode.Refused;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            terminal.WriteLine("Interrupted. Cleaning up …");
            return ExitCode.Interrupted;
        }
        finally
        {
            await RemoveAsync(pool, plan.Pool);
        }
    }

    /// <returns>Whether there was anything.</returns>
    private static async Task<bool> CleanUpAsync(IAdminApi api, IAnsiConsole terminal, CancellationToken cancel)
    {
        var any = false;
        await foreach (var found in RehearsalPool.RemoveLeftBehindAsync(api, cancel))
        {
            any = true;
            terminal.WriteLine(found);
        }
        return any;
    }

    private static async Task RemoveAsync(RehearsalPool pool, string name)
    {
        try
        {
            await pool.RemoveAsync(CleaningTimeout);
        }
        catch (CommandException e)
        {
            throw new CommandException(e.Code, $"Pool {name} is left behind: {e.Message} Remove it later: allocator rehearse --clean-up");
        }
    }

    private static RehearsalPlan ReadPlan(ParseResult parsed, Uri url)
    {
        // Sorts by day, and nobody else makes the same.
        var pool = parsed.GetValue(Pool) ?? $"{parsed.GetRequiredValue(Prefix)}-{TimeProvider.System.GetUtcNow():yyyyMMdd}-{RandomNumberGenerator.GetHexString(8, lowercase: true)}";
        if (pool.Length > MaxPool)
        {
            throw new CommandException(ExitCode.WrongUsage, $"The pool's name may have {MaxPool} characters, and '{pool}' has {pool.Length}.");
        }
        return new RehearsalPlan(
            url, pool, parsed.GetValue(Vms), parsed.GetValue(People),
            parsed.GetValue(AtOnce) ? TimeSpan.Zero : parsed.GetValue(Arrive) ?? TimeSpan.FromMinutes(1),
            parsed.GetValue(Stay) ?? TimeSpan.FromSeconds(30),
            parsed.GetValue(Timeout) ?? TimeSpan.FromMinutes(2));
    }

    private static async Task<bool> ConfirmedAsync(RehearsalPlan plan, CancellationToken cancel)
    {
        if (Console.IsInputRedirected)
        {
            throw new CommandException(ExitCode.WrongUsage, "Nobody is here to be asked: say --yes.");
        }
        await Console.Error.WriteAsync($"Play a workshop of {plan.Vms:N0} VMs and {plan.People:N0} people against {plan.Url}? [y/N] ");
        return (await Console.In.ReadLineAsync(cancel))?.Trim() is "y" or "Y" or "yes";
    }

    /// <summary>Before it is played, not after.</summary>
    private static void CheckFile(string? file)
    {
        if (file is not (null or "-") && Path.GetDirectoryName(Path.GetFullPath(file)) is { } folder && !Directory.Exists(folder))
        {
            throw new CommandException(ExitCode.WrongUsage, $"There is no folder {folder} to write the report to.");
        }
    }

    private static async Task WriteAsync(RehearsalReport report, string? file)
    {
        var json = JsonSerializer.Serialize(report, RehearsalJson.Default.RehearsalReport);
        try
        {
            if (file == "-")
            {
                Console.WriteLine(json);
            }
            else if (file is not null)
            {
                await File.WriteAllTextAsync(file, json);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.WrongUsage, $"The report cannot be written: {e.Message}");
        }
    }

    /// <summary>The second Ctrl-C does not wait for the cleaning.</summary>
    private static PosixSignalRegistration Impatience(IAnsiConsole terminal, string pool)
    {
        var interrupts = 0;
        return PosixSignalRegistration.Create(PosixSignal.SIGINT, _ =>
        {
            if (Interlocked.Increment(ref interrupts) > 1)
            {
                terminal.Cursor.Show();
                Console.Error.WriteLine($"Pool {pool} is left behind. Remove it later: allocator rehearse --clean-up");
                Environment.Exit((int)ExitCode.Interrupted);
            }
        });
    }

    private static Option<int> Number(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "number",
        DefaultValueFactory = _ => 30,
        Validators =
        {
            result =>
            {
                if (result.Tokens is [.., var word] && (!int.TryParse(word.Value, out var number) || number is < 1 or > Max))
                {
                    result.AddError($"{name} must be a number from 1 to {Max:N0}.");
                }
            },
        },
    };
}
