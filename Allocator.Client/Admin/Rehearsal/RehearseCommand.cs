using System.CommandLine;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Allocator.Client.Terminal;
using Spectre.Console;

namespace Allocator.Client.Admin.Rehearsal;

/// <summary>Implements <c>allocator rehearse</c>.</summary>
internal static class RehearseCommand
{
    private const int MaxCount = 100_000;

    /// <summary>The first label of a host name has at most 63 characters, and the VM's number needs some of them.</summary>
    private const int MaxPoolLength = 50;

    /// <summary>How long deleting the pool is retried while the allocator is unreachable.</summary>
    private static readonly TimeSpan CleanUpTimeout = TimeSpan.FromMinutes(1);

    private static readonly Option<int> Vms = Number("--vms", "Number of simulated VMs");
    private static readonly Option<int> People = Number("--people", "Number of simulated people; every third one makes a second request");
    private static readonly Option<TimeSpan?> Arrive = Options.Duration(
        "--arrive", "People arrive at random times within this duration; default 60s");
    private static readonly Option<bool> AtOnce = new("--at-once") { Description = "All people arrive at the same moment" };
    private static readonly Option<TimeSpan?> Stay = Options.Duration("--stay", "How long each person keeps the VM once connected; default 30s");
    private static readonly Option<TimeSpan?> Timeout = Options.Duration(
        "--patience", "End the rehearsal when nothing has changed for this long; default 2m");
    private static readonly Option<string> Prefix = new("--pool-prefix")
    {
        Description = "Start of the generated name of the rehearsal's pool",
        HelpName = "prefix",
        DefaultValueFactory = _ => "rehearsal",
    };
    private static readonly Option<string?> Pool = Options.Text(
        "--pool", "Name of the rehearsal's pool instead of a generated one; it must not exist", "pool");
    private static readonly Option<string?> Json = Options.Text(
        "--json", "Write the report with all figures to this file; - writes it to standard output", "file|-");
    private static readonly Option<bool> Yes = new("--yes") { Description = "Do not ask for confirmation" };
    private static readonly Option<bool> CleanUp = new("--clean-up") { Description = "Only delete what killed rehearsals left behind" };

    public static Command Create() => new CliCommand("rehearse",
            "Simulate the VMs and people of a whole workshop, in a temporary pool, and check the results",
            "allocator rehearse --vms 30 --people 35",
            "allocator rehearse --vms 500 --people 500 --at-once --yes --json report.json",
            "allocator rehearse --clean-up")
        .With(Vms, People, Arrive, AtOnce, Stay, Timeout, Prefix, Pool, Json, Yes, CleanUp).Does(RunAsync);

    private static async Task<ExitCode> RunAsync(ParseResult parsed, CancellationToken cancel)
    {
        // With --json -, standard output has nothing but the report.
        var terminal = (parsed.GetValue(Json) == "-" ? Output.OnStandardError() : new Output(false)).Terminal;
        var access = AdminAccess.Read();
        var api = access.Connect();
        if (parsed.GetValue(CleanUp))
        {
            if (!await DeleteLeftoversAsync(api, terminal, cancel))
            {
                terminal.WriteLine("No rehearsal pool was left behind.");
            }
            return ExitCode.Done;
        }
        var plan = ReadPlan(parsed, access.Url);
        CheckFolder(parsed.GetValue(Json));
        var pool = new RehearsalPool(api, plan.Pool, TimeProvider.System);
        await DeleteLeftoversAsync(api, terminal, cancel);
        await pool.CheckNameAsync(cancel);
        if (!parsed.GetValue(Yes) && !await ConfirmAsync(plan, cancel))
        {
            return ExitCode.WrongUsage;
        }
        using var interrupt = ExitOnSecondInterrupt(terminal, plan.Pool);
        try
        {
            terminal.WriteLine($"Simulating {Size(plan)} in pool {plan.Pool} at {plan.Url}");
            using var simulation = new WorkshopSimulation(plan, api, pool, TimeProvider.System);
            var run = simulation.RunAsync(cancel);
            await new ProgressDisplay(terminal, plan, simulation.Recorder, TimeProvider.System).ShowAsync(run);
            var report = await run;
            report.Write(terminal);
            await WriteJsonAsync(report, parsed.GetValue(Json));
            return report.Passed ? ExitCode.Done : ExitCode.Refused;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            terminal.WriteLine("Interrupted. Deleting the rehearsal's pool …");
            return ExitCode.Interrupted;
        }
        finally
        {
            await DeleteAsync(pool, plan.Pool);
        }
    }

    /// <returns>True if there was any rehearsal pool.</returns>
    private static async Task<bool> DeleteLeftoversAsync(IAdminApi api, IAnsiConsole terminal, CancellationToken cancel)
    {
        var any = false;
        await foreach (var result in RehearsalPool.DeleteLeftoversAsync(api, cancel))
        {
            any = true;
            terminal.WriteLine(result);
        }
        return any;
    }

    private static async Task DeleteAsync(RehearsalPool pool, string name)
    {
        try
        {
            await pool.DeleteAsync(CleanUpTimeout);
        }
        catch (CommandException e)
        {
            throw new CommandException(
                e.Code, $"Pool {name} could not be deleted: {e.Message} To delete it later, run: allocator rehearse --clean-up");
        }
    }

    private static RehearsalPlan ReadPlan(ParseResult parsed, Uri url)
    {
        // The name sorts by day, and the random part makes it unique.
        var random = RandomNumberGenerator.GetHexString(8, lowercase: true);
        var pool = parsed.GetValue(Pool) ?? $"{parsed.GetRequiredValue(Prefix)}-{TimeProvider.System.GetUtcNow():yyyyMMdd}-{random}";
        if (pool.Length > MaxPoolLength)
        {
            throw new CommandException(
                ExitCode.WrongUsage, $"The name '{pool}' has {pool.Length} characters; a rehearsal's pool may have at most {MaxPoolLength}.");
        }
        return new RehearsalPlan(
            url, pool, parsed.GetValue(Vms), parsed.GetValue(People),
            parsed.GetValue(AtOnce) ? TimeSpan.Zero : parsed.GetValue(Arrive) ?? TimeSpan.FromMinutes(1),
            parsed.GetValue(Stay) ?? TimeSpan.FromSeconds(30),
            parsed.GetValue(Timeout) ?? TimeSpan.FromMinutes(2));
    }

    private static async Task<bool> ConfirmAsync(RehearsalPlan plan, CancellationToken cancel)
    {
        if (Console.IsInputRedirected)
        {
            throw new CommandException(ExitCode.WrongUsage, "Not a terminal, cannot prompt: pass --yes.");
        }
        await Console.Error.WriteAsync($"Simulate a workshop of {Size(plan)} against {plan.Url}? [y/N] ");
        return (await Console.In.ReadLineAsync(cancel))?.Trim() is "y" or "Y" or "yes";
    }

    private static string Size(RehearsalPlan plan) =>
        $"{plan.Vms:N0} {(plan.Vms == 1 ? "VM" : "VMs")} and {plan.People:N0} {(plan.People == 1 ? "person" : "people")}";

    /// <summary>Finds a missing folder before the rehearsal runs, not after.</summary>
    private static void CheckFolder(string? file)
    {
        if (file is not (null or "-") && Path.GetDirectoryName(Path.GetFullPath(file)) is { } folder && !Directory.Exists(folder))
        {
            throw new CommandException(ExitCode.WrongUsage, $"Cannot write the report to {file}: the folder {folder} does not exist.");
        }
    }

    private static async Task WriteJsonAsync(RehearsalReport report, string? file)
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
            throw new CommandException(ExitCode.WrongUsage, $"Cannot write the report to {file}: {e.Message}");
        }
    }

    /// <summary>Lets a second Ctrl-C end the program without waiting until the pool is deleted.</summary>
    private static PosixSignalRegistration ExitOnSecondInterrupt(IAnsiConsole terminal, string pool)
    {
        var interrupts = 0;
        return PosixSignalRegistration.Create(PosixSignal.SIGINT, _ =>
        {
            if (Interlocked.Increment(ref interrupts) > 1)
            {
                terminal.Cursor.Show();
                Console.Error.WriteLine($"Pool {pool} was not deleted. To delete it later, run: allocator rehearse --clean-up");
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
                if (result.Tokens is [.., var token] && (!int.TryParse(token.Value, out var number) || number is < 1 or > MaxCount))
                {
                    result.AddError($"{name} must be a number from 1 to {MaxCount:N0}.");
                }
            },
        },
    };
}
