using System.Globalization;
using Allocator.Api.Data;
using Allocator.Api.Web;
using CsvHelper;
using CsvHelper.Configuration;

namespace Allocator.Api.Pools;

/// <summary>Reads a roster from the CSV of a spreadsheet or a registration form.</summary>
internal static class Roster
{
    public const int MaxPeople = 50_000;

    public const string Rule = "CSV with a column named 'email', or with addresses only, one on each line";

    private const int MaxErrors = 20;

    /// <returns>The addresses by their keys, or the errors with their lines.</returns>
    public static (Dictionary<string, string> People, List<string> Errors) Read(string csv)
    {
        var people = new Dictionary<string, string>(StringComparer.Ordinal);
        var errors = new List<string>();
        using var reader = new CsvParser(new StringReader(csv), new CsvConfiguration(CultureInfo.InvariantCulture)
        {
            TrimOptions = TrimOptions.Trim,
            DetectDelimiter = true,
            DetectDelimiterValues = [",", ";", "\t"],
            BadDataFound = null,
        });
        var column = -1;
        while (reader.Read() && errors.Count < MaxErrors)
        {
            var record = reader.Record!;
            if (column < 0)
            {
                column = Array.FindIndex(record, name => name.Equals("email", StringComparison.OrdinalIgnoreCase));
                if (column >= 0)
                {
                    continue;
                }
                if (record.Length > 1)
                {
                    return (people, [$"Must be {Rule}."]);
                }
                column = 0;
            }
            var email = record.ElementAtOrDefault(column);
            if (!EmailAddress.IsValid(email))
            {
                errors.Add($"Line {reader.RawRow} must have an e-mail address.");
            }
            else
            {
                people.TryAdd(EmailKey.Of(email!), EmailKey.Normalise(email!));
            }
        }
        if (errors.Count == 0 && people.Count is 0 or > MaxPeople)
        {
            errors.Add($"Must list 1 to {MaxPeople:N0} people. To admit everybody, delete the roster.");
        }
        return (people, errors);
    }
}
