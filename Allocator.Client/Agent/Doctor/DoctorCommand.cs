using System.CommandLine;
using System.Text.Json;
using Allocator.Client.Terminal;
using Spectre.Console;

namespace Allocator.Client.Agent.Doctor;

/// <summary>Implements <c>allocator doctor</c>, which finds what prevents this VM from working with the allocator.</summary>
internal static class DoctorCommand
{
    private static readonly Option<FileInfo?> Config = new("--config")
    {
        Description = $"Check this settings file in this shell's environment, instead of {InstalledFiles.Configuration} in the service's",
    };

    public static Command Create() => new CliCommand(
            "doctor", "Check each step from this VM to the allocator; show the first failure and its remedy. Changes nothing",
            "sudo allocator doctor", "sudo allocator doctor --json | jq -r .failed")
        .With(Config)
        .Does(RunAsync);

    private static async Task<ExitCode> RunAsync(ParseResult parsed, Output output, CancellationToken cancel)
    {
        var results = new List<CheckResult>();
        await foreach (var result in new DoctorChecks(parsed.GetValue(Config), TimeProvider.System).RunAsync(cancel))
        {
            results.Add(result);
            if (!output.Json)
            {
                Show(output.Terminal, result);
            }
        }
        var first = results.FirstOrDefault(result => result.Status == CheckStatus.Failed);
        var code = first?.Code ?? ExitCode.Done;
        if (output.Json)
        {
            Console.WriteLine(JsonSerializer.Serialize(new DoctorReport(first is null, (int)code, first?.Check, results),
                AgentJson.Default.DoctorReport));
        }
        else
        {
            Console.WriteLine();
            Console.WriteLine(first is null ? "All checks passed." : $"Failed: {first.Check}.{(first.Remedy is { } remedy ? $" {remedy}" : "")}");
        }
        return code;
    }

    private static void Show(IAnsiConsole terminal, CheckResult result)
    {
        var (sign, color) = result.Status switch
        {
            CheckStatus.Passed => ("ok", Color.Green),
            CheckStatus.Warned => ("warn", Color.Yellow),
            CheckStatus.Failed => ("FAIL", Color.Red),
            _ => ("-", Color.Grey),
        };
        var line = new Grid()
            .AddColumn(new GridColumn().Width(4).NoWrap().PadLeft(0).PadRight(2))
            .AddColumn(new GridColumn().Width(13).NoWrap().PadRight(2))
            .AddColumn();
        line.AddRow(new Text(sign, new Style(color)), new Text(result.Check), Output.Cell(result.Text));
        if (result.Remedy is not null)
        {
            line.AddRow(new Text(""), new Text(""), Output.Cell(result.Remedy, new Style(decoration: Decoration.Italic)));
        }
        terminal.Write(line);
    }
}
