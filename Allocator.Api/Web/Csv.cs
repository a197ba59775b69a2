using System.Globalization;
using CsvHelper;
using CsvHelper.Configuration;
using Microsoft.Net.Http.Headers;

namespace Allocator.Api.Web;

/// <summary>A column of a CSV file.</summary>
internal sealed record CsvColumn<T>(string Name, Func<T, object?> Value);

/// <summary>Writes lists as CSV (RFC 4180) for requests with <c>Accept: text/csv</c>.</summary>
internal static class Csv
{
    public const string ContentType = "text/csv";

    // Text from people and VMs must not become a formula in the admin's spreadsheet.
    public static readonly CsvConfiguration Configuration = new(CultureInfo.InvariantCulture)
    {
        InjectionOptions = InjectionOptions.Escape,
        // Spreadsheets read the fullwidth signs like the others.
        InjectionCharacters = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'],
        NewLine = "\r\n",
    };

    public static bool IsWanted(HttpRequest request) =>
        request.GetTypedHeaders().Accept.Any(type => type.MediaType.Equals(ContentType, StringComparison.OrdinalIgnoreCase) && type.Quality is not 0);

    /// <summary>Documents in the OpenAPI document that the list is also available as CSV.</summary>
    public static RouteHandlerBuilder AlsoAsCsv(this RouteHandlerBuilder endpoint) => endpoint.WithMetadata(new CsvMetadata());

    /// <summary>Formats a value for a cell: enums and booleans as in JSON, times as in RFC 3339.</summary>
    public static string Text(object? value) => value switch
    {
        null => "",
        DateTime time => time.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture),
        bool or Enum => $"{value}".ToLowerInvariant(),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };
}

/// <summary>Marks a list that is also available as CSV.</summary>
internal sealed class CsvMetadata;

/// <summary>Marks an endpoint whose body is CSV.</summary>
internal sealed class CsvBodyMetadata;

/// <summary>Streams a whole list as CSV, page by page, so that memory does not grow with its length.</summary>
/// <param name="next">Returns the page after an item, or the first page for null.</param>
internal sealed class CsvResult<T>(IReadOnlyList<CsvColumn<T>> columns, Func<T?, CancellationToken, Task<List<T>>> next) : IResult
    where T : class
{
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var cancel = httpContext.RequestAborted;
        // The first page is read before anything is sent, so that an outage is answered with a problem instead of half a file.
        var page = await next(null, cancel);
        httpContext.Response.ContentType = Csv.ContentType + "; charset=utf-8; header=present";
        httpContext.Response.Headers[HeaderNames.Vary] = HeaderNames.Accept;
        await WriteAsync(httpContext.Response, csv => columns.ToList().ForEach(column => csv.WriteField(column.Name)), cancel);
        while (page is [.., var last])
        {
            var items = page;
            await WriteAsync(httpContext.Response, csv => WriteRows(csv, items), cancel);
            page = page.Count < Limits.MaxPage ? [] : await next(last, cancel);
        }
    }

    private void WriteRows(CsvWriter csv, List<T> items)
    {
        foreach (var (index, item) in items.Index())
        {
            if (index > 0)
            {
                csv.NextRecord();
            }
            foreach (var column in columns)
            {
                csv.WriteField(Csv.Text(column.Value(item)));
            }
        }
    }

    private static async Task WriteAsync(HttpResponse response, Action<CsvWriter> write, CancellationToken cancel)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        await using (var csv = new CsvWriter(text, Csv.Configuration))
        {
            write(csv);
            await csv.NextRecordAsync();
        }
        await response.WriteAsync(text.ToString(), cancel);
    }
}
