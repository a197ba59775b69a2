using Allocator.Api.Settings;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Data;

/// <summary>When the schema is brought up to date.</summary>
internal enum MigrateAt
{
    /// <summary>Each replica migrates as it starts, one at a time.</summary>
    Start,

    /// <summary>Only <c>Allocator.Api migrate</c> migrates; a replica that finds an older schema refuses to start.</summary>
    Command,
}

/// <summary>The section <c>Database</c> of the configuration.</summary>
internal sealed class DatabaseOptions
{
    public const string Section = "Database";

    private const string ConnectionStringExpected = "an Npgsql connection string such as Host=db;Database=allocator;Username=allocator";

    [Secret(IsConnectionString = true)]
    [Setting("The database. Must be set; `./run.sh` starts a private PostgreSQL for a trial.", Accepts = "an Npgsql connection string")]
    public string ConnectionString { get; set; } = "";

    [Secret]
    [Setting("The password, if it is kept apart from the rest, as by a secret store. It overrides one in the connection string.")]
    public string Password { get; set; } = "";

    [Setting("`Start`: each replica brings the schema up to date as it starts, one at a time; `Command`: only `Allocator.Api migrate` does.")]
    public MigrateAt Migrate { get; set; } = MigrateAt.Start;

    [Setting("The largest number of connections of a replica.", Min = 2, Max = 100)]
    public int PoolSize { get; set; } = 8;

    [Setting("The time limit of one statement.", Min = "00:00:01", Max = "00:10:00")]
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.FromSeconds(10);

    [Setting("The folder of the credentials that are created in development; empty: `.data` beside the solution, or in the working folder.")]
    public string DataFolder { get; set; } = "";

    internal sealed class Validator : IValidateOptions<DatabaseOptions>
    {
        public ValidateOptionsResult Validate(string? name, DatabaseOptions options)
        {
            var problems = new SettingProblems(Section);
            problems.Require(
                !string.IsNullOrWhiteSpace(options.ConnectionString), nameof(ConnectionString), "",
                $"{ConnectionStringExpected}. To try the system with a private database, run ./run.sh");
            try
            {
                _ = new NpgsqlConnectionStringBuilder(options.ConnectionString);
            }
            catch (ArgumentException e)
            {
                // The value may contain a password, and so may the parser's message.
                problems.Require(false, nameof(ConnectionString), $"(hidden, {e.GetType().Name})", ConnectionStringExpected);
            }
            return problems.Result;
        }
    }
}
