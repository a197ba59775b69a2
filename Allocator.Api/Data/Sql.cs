using System.Data;
using Npgsql;
using NpgsqlTypes;

namespace Allocator.Api.Data;

/// <summary>Short forms of what every statement does with Npgsql. Rows are read by the names of their columns.</summary>
internal static class Sql
{
    /// <summary>Creates a command with positional parameters (<c>$1</c>, <c>$2</c>, …) that takes a connection only while it runs.</summary>
    public static NpgsqlCommand Command(this NpgsqlDataSource database, string sql, params ReadOnlySpan<object?> values)
    {
        var command = database.CreateCommand(sql);
        foreach (var value in values)
        {
            command.Parameters.Add(value is ulong transaction
                ? new NpgsqlParameter { Value = transaction, NpgsqlDbType = NpgsqlDbType.Xid8 }
                : new NpgsqlParameter { Value = value ?? DBNull.Value });
        }
        return command;
    }

    /// <summary>Creates a batch that runs its statements in one transaction and one round trip.</summary>
    public static NpgsqlBatch Batch(this NpgsqlDataSource database, params ReadOnlySpan<(string Sql, object?[] Values)> statements)
    {
        var batch = database.CreateBatch();
        foreach (var (sql, values) in statements)
        {
            var command = new NpgsqlBatchCommand(sql);
            foreach (var value in values)
            {
                command.Parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value });
            }
            batch.BatchCommands.Add(command);
        }
        return batch;
    }

    /// <summary>Maps the first row, or returns null if there are no rows.</summary>
    public static async Task<T?> FirstAsync<T>(this NpgsqlCommand command, Func<NpgsqlDataReader, T> read, CancellationToken cancel)
        where T : class
    {
        await using (command)
        {
            await using var reader = await command.ExecuteReaderAsync(cancel);
            return await reader.ReadAsync(cancel) ? read(reader) : null;
        }
    }

    /// <summary>Maps every row.</summary>
    public static async Task<List<T>> ListAsync<T>(this NpgsqlCommand command, Func<NpgsqlDataReader, T> read, CancellationToken cancel)
    {
        await using (command)
        {
            await using var reader = await command.ExecuteReaderAsync(cancel);
            var rows = new List<T>();
            while (await reader.ReadAsync(cancel))
            {
                rows.Add(read(reader));
            }
            return rows;
        }
    }

    /// <summary>Runs a statement and returns how many rows it changed.</summary>
    public static async Task<int> ExecuteAsync(this NpgsqlCommand command, CancellationToken cancel)
    {
        await using (command)
        {
            return await command.ExecuteNonQueryAsync(cancel);
        }
    }

    /// <summary>Runs a query that returns one count.</summary>
    public static async Task<int> CountAsync(this NpgsqlCommand command, CancellationToken cancel)
    {
        await using (command)
        {
            return (int)(await command.ExecuteScalarAsync(cancel))!;
        }
    }

    /// <summary>Returns the enum's value as the schema writes it, which is in lower case.</summary>
    public static string Text<T>(this T value) where T : struct, Enum => value.ToString().ToLowerInvariant();

    public static T GetEnum<T>(this NpgsqlDataReader row, string column) where T : struct, Enum =>
        Enum.Parse<T>(row.GetString(column), ignoreCase: true);

    public static T? GetEnumOrNull<T>(this NpgsqlDataReader row, string column) where T : struct, Enum =>
        row.IsDBNull(column) ? null : row.GetEnum<T>(column);

    public static T? GetOrNull<T>(this NpgsqlDataReader row, string column) where T : struct =>
        row.IsDBNull(column) ? null : row.GetFieldValue<T>(column);

    public static string? GetStringOrNull(this NpgsqlDataReader row, string column) =>
        row.IsDBNull(column) ? null : row.GetString(column);
}
