using System.Text;

namespace Allocator.Bench;

/// <summary>The results of a scenario, as they appear in a report.</summary>
/// <param name="Note">The method, and what is needed to read the figures.</param>
internal sealed record Table(string Title, string Note, string[] Columns)
{
    private readonly List<string[]> _rows = [];

    public IReadOnlyList<string[]> Rows => _rows;

    public void Add(params string[] cells)
    {
        if (cells.Length != Columns.Length)
        {
            throw new ArgumentException($"A row of {cells.Length} cells in a table of {Columns.Length} columns.", nameof(cells));
        }
        _rows.Add(cells);
    }

    /// <summary>Returns the table as Markdown; columns of numbers are right-aligned.</summary>
    public string ToMarkdown() => new StringBuilder()
        .AppendLine($"### {Title}")
        .AppendLine()
        .AppendLine(Line(Columns))
        .AppendLine($"|{string.Concat(Enumerable.Range(0, Columns.Length).Select(column => IsNumeric(column) ? "---:|" : "---|"))}")
        .AppendJoin(Environment.NewLine, _rows.Select(Line)).AppendLine()
        .AppendLine()
        .AppendLine(Note)
        .ToString();

    private static string Line(string[] cells) => $"| {string.Join(" | ", cells)} |";

    private bool IsNumeric(int column) => _rows.All(row => row[column] is [>= '0' and <= '9' or '-' or '–', ..]);
}
