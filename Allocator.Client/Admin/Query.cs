using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Allocator.Client.Admin;

/// <summary>Turns a record of filters into query parameters.</summary>
internal static class Query
{
    /// <summary>Returns the filters that are given, each with its name and value as JSON writes them.</summary>
    public static Dictionary<string, string> Of<T>(T filters, JsonTypeInfo<T> type) =>
        JsonSerializer.SerializeToElement(filters, type).EnumerateObject()
            .Where(filter => filter.Value.ValueKind != JsonValueKind.Null)
            .ToDictionary(filter => filter.Name, filter => filter.Value.ToString());
}
