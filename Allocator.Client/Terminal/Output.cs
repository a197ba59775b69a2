using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Allocator.Contracts;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Allocator.Client.Terminal;

/// <summary>Writes the result of a command: tables for people, the API's JSON for programs.</summary>
internal sealed class Output
{
    // Wide enough for every table, so that output piped into another program is not cut.
    private const int PipeWidth = 1_000;

    public Output(bool json)
        : this(json, AnsiConsole.Console)
    {
    }

    private Output(bool json, IAnsiConsole terminal)
    {
        (Json, Terminal) = (json, terminal);
        if (!terminal.Profile.Out.IsTerminal)
        {
            terminal.Profile.Width = PipeWidth;
        }
    }

    /// <summary>Creates an output for people on standard error, for commands whose standard output is for programs.</summary>
    public static Output OnStandardError() =>
        new(false, AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) }));

    public bool Json { get; }

    public IAnsiConsole Terminal { get; }

    public void Show<T>(T value, JsonTypeInfo<T> type, Func<T, IRenderable> render)
    {
        if (Json)
        {
            Console.WriteLine(JsonSerializer.Serialize(value, type));
        }
        else
        {
            Terminal.Write(render(value));
        }
    }

    public void ShowList<T>(Page<T> page, JsonTypeInfo<Page<T>> type, string[] columns, Func<T, string?[]> row)
    {
        Show(page, type, shown => Table(columns, shown.Items.Select(row)));
        if (page.Next is not null)
        {
            Console.Error.WriteLine($"Showing the first {page.Items.Count:N0}; use --limit for more.");
        }
    }

    /// <summary>Writes the items that a command changed or, in a dry run, would change.</summary>
    public void ShowTouched<T>(Touched<T> touched, JsonTypeInfo<Touched<T>> type, string noun, string[] columns, Func<T, string?[]> row)
    {
        Show(touched, type, shown => Table(columns, shown.Items.Select(row)));
        if (!Json)
        {
            Console.WriteLine($"{touched.Count:N0} {noun}{(touched.Count == 1 ? "" : "s")} {(touched.DryRun ? "would be changed" : "changed")}.");
        }
    }

    /// <summary>Writes a line, unless the output is JSON.</summary>
    public void Print(string text)
    {
        if (!Json)
        {
            Console.WriteLine(PlainText.MakeVisible(text));
        }
    }

    public static IRenderable Table(string[] columns, IEnumerable<string?[]> rows)
    {
        var table = new Table().Border(Console.IsOutputRedirected ? TableBorder.None : TableBorder.Simple);
        table.AddColumns([.. columns.Select(column => new TableColumn(new Text(column, new Style(decoration: Decoration.Bold))).NoWrap())]);
        foreach (var row in rows)
        {
            table.AddRow(row.Select(cell => Cell(cell ?? "")));
        }
        return table;
    }

    /// <summary>Renders one object, a line per fact; facts without a value are omitted.</summary>
    public static IRenderable Facts(params ReadOnlySpan<(string Name, string? Value)> facts)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(2)).AddColumn();
        foreach (var (name, value) in facts)
        {
            if (!string.IsNullOrEmpty(value))
            {
                grid.AddRow(new Text(name, new Style(decoration: Decoration.Dim)), Cell(value));
            }
        }
        return grid;
    }

    /// <summary>Renders text of others, which must not command the terminal.</summary>
    public static Text Cell(string text, Style? style = null) => new(PlainText.MakeVisible(text), style);

    public static string? Time(DateTime? time) => time?.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    public static string? Seconds(double? seconds) => seconds is { } value ? $"{value:N0} s" : null;
}
