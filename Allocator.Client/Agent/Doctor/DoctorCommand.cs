using System.CommandLine;
using System.Text.Json;
using Allocator.Client.Terminal;
using Spectre.Console;

namespace Allocator.Client.Agent.Doctor;

/// <summary><c>allocator doctor</c>: what is in the way between this VM and the allocator, and its cure.</summary>
internal static class DoctorCommand
{
    private static readonly Option<FileInfo?> Config = new("--config")
    {
        Description = $"Check this settings file in this shell's environment, instead of {InstalledFiles.Configuration} in the service's",
    };

    public static Command Create() => new CliCommand("doctor", "Check each step from this VM to the allocator, and name the one that fails and its cure. Changes nothing",
            "sudo allocator doctor", "sudo allocator doctor --json | jq -r .failed")
        .With(Config)
        .Does(ExamineAsync);

    private static async Task<ExitCode> ExamineAsync(ParseResult parsed, Output output, CancellationToken cancel)
    {
        var findings = new List<CheckResult>();
        await foreach (var finding in new DoctorChecks(parsed.GetValue(Config), TimeProvider.System).RunAsync(cancel))
        {
            findings.Add(finding);
            if (!output.Json)
            {
                Show(output.Terminal, finding);
            }
        }
        var first = findings.FirstOrDefault(finding => finding.Verdict == Verdict.Failed);
        var code = first?.Code ?? ExitCode.Done;
        if (output.Json)
        {
            Console.WriteLine(JsonSerializer.Serialize(new DoctorReport(first is null, (int)code, first?.Step, findings), AgentJson.Default.DoctorReport));
        }
        else
        {
            Console.WriteLine();
            Console.WriteLine(first is null ? "Nothing is in the way." : $"In the way: {first.Step}.{(first.Cure is { } cure ? $" {cure}" : "")}");
        }
        return code;
    }

    private static void Show(IAnsiConsole terminal, CheckResult finding)
    {
        var (sign, color) = finding.Verdict switch
        {
            Verdict.Passed => ("ok", Color.Green),
            Verdict.Warned => ("look", Color.Yellow),
            Verdict.Failed => ("FAIL", Color.Red),
            _ => ("-", Color.Grey),
        };
        var line = new Grid()
            .AddColumn(new GridColumn().Width(4).NoWrap().PadLeft(0).PadRight(2))
            .AddColumn(new GridColumn().Width(13).NoWrap().PadRight(2))
            .AddColumn();
        line.AddRow(new Text(sign, new Style(color)), new Text(finding.Step), new Text(finding.Text));
        if (finding.Cure is not null)
        {
            line.AddRow(new Text(""), new Text(""), new Text(finding.Cure, new Style(decoration: Decoration.Italic)));
        }
        terminal.Write(line);
    }
}
