using System.Globalization;
using DbUp;
using DbUp.Engine;
using DbUp.Engine.Output;
using DbUp.Postgresql;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Data;

/// <summary>Applies the numbered scripts in <c>Data/Migrations</c>, each once and in its own transaction.</summary>
internal sealed partial class Migrator(NpgsqlDataSource database, IOptions<DatabaseOptions> options, ILogger<Migrator> log)
    : IUpgradeLog
{
    /// <summary>The key of the lock that lets one replica migrate while the others wait: "allocato" in ASCII.</summary>
    private const long LockKey = 0x616c6c6f6361746f;

    private static readonly TimeSpan MaxDuration = TimeSpan.FromMinutes(10);

    private UpgradeEngine Engine => DeployChanges.To
        .PostgresqlDatabase(new PostgresqlConnectionManager(database))
        .WithScriptsEmbeddedInAssembly(typeof(Migrator).Assembly, name => name.EndsWith(".sql", StringComparison.Ordinal))
        .JournalToPostgresqlTable("public", "schema_versions")
        .WithTransactionPerScript()
        // A migration may rewrite a table with a million rows.
        .WithExecutionTimeout(MaxDuration)
        .WithVariablesDisabled()
        .LogTo(this)
        .Build();

    /// <summary>Brings the schema up to date. Many replicas may call this at once.</summary>
    public async Task MigrateAsync(CancellationToken cancel)
    {
        // A transaction holds the lock, not the session, so that it also works behind a pooler in transaction mode.
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await using (var takeLock = new NpgsqlCommand("select pg_advisory_xact_lock($1)", connection, transaction))
        {
            takeLock.Parameters.Add(new() { Value = LockKey });
            takeLock.CommandTimeout = (int)MaxDuration.TotalSeconds;
            await takeLock.ExecuteNonQueryAsync(cancel);
        }

        var result = Engine.PerformUpgrade();
        if (!result.Successful)
        {
            throw new InvalidOperationException(
                $"Migration {result.ErrorScript?.Name} failed and was rolled back: {result.Error.Message}", result.Error);
        }
        await transaction.CommitAsync(cancel);
    }

    /// <summary>Migrates at the start or checks the schema, as <c>Database:Migrate</c> requires.</summary>
    /// <exception cref="SchemaOutdatedException">The schema is outdated, and replicas may not migrate it.</exception>
    public async Task EnsureAsync(CancellationToken cancel)
    {
        if (options.Value.Migrate == MigrateAt.Start)
        {
            await MigrateAsync(cancel);
        }
        else if (Engine.GetScriptsToExecute() is { Count: > 0 } missing)
        {
            throw new SchemaOutdatedException(missing.Count);
        }
    }

    public void LogTrace(string format, params object[] args) { }
    public void LogDebug(string format, params object[] args) { }
    public void LogInformation(string format, params object[] args) => Log.Progress(log, Text(format, args));
    public void LogWarning(string format, params object[] args) => Log.Warned(log, Text(format, args));
    public void LogError(string format, params object[] args) => Log.Warned(log, Text(format, args));
    public void LogError(Exception ex, string format, params object[] args) => Log.Failed(log, ex, Text(format, args));

    private static string Text(string format, object[] args) =>
        args.Length == 0 ? format : string.Format(CultureInfo.InvariantCulture, format, args);

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Debug, Message = "{Message}")]
        public static partial void Progress(ILogger log, string message);

        [LoggerMessage(Level = LogLevel.Warning, Message = "{Message}")]
        public static partial void Warned(ILogger log, string message);

        [LoggerMessage(Level = LogLevel.Error, Message = "{Message}")]
        public static partial void Failed(ILogger log, Exception error, string message);
    }
}

/// <summary>The schema is outdated, and <c>Allocator.Api migrate</c> has to update it.</summary>
internal sealed class SchemaOutdatedException(int missing) : Exception(
    $"The database lacks {missing} migration(s), and Database:Migrate is 'Command'. Run 'Allocator.Api migrate' once, then start the replicas.");
