using Allocator.Api.Settings;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Data;

/// <summary>When the schema is brought up to date.</summary>
internal enum MigrateAt
{
    /// <summary>By each replica as it starts; one at a time, whoever comes first.</summary>
    Start,

    /// <summary>Only by <c>Allocator.Api migrate</c>; a replica that finds an older schema refuses to start.</summary>
    Command,
}

/// <summary>The section <c>Database</c> of the configuration.</summary>
internal sealed class DatabaseOptions
{
    public const string Section = "Database";
    private const string ConnectionStringExpected = "an Npgsql connection string such as Host=db;Database=allocator;Username=allocator";

    /// <summary>The Npgsql connection string. It must be set.</summary>
    [Secret(IsConnectionString = true)]
    public string ConnectionString { get; set; } = "";

    /// <summary>The password, where it is kept apart from the rest; wins over one in the connection string.</summary>
    [Secret]
    public string Password { get; set; } = "";

    /// <summary>When the schema is brought up to date.</summary>
    public MigrateAt Migrate { get; set; } = MigrateAt.Start;

    /// <summary>Connections of this replica, at most; 2–100.</summary>
    public int PoolSize { get; set; } = 8;

    /// <summary>How long one statement may take; 1 s – 10 min.</summary>
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The folder of the credentials that are made in development. Empty: <c>.data</c> beside the solution, or in
    /// the working folder.
    /// </summary>
    public string DataFolder { get; set; } = "";

    internal sealed class Validator : IValidateOptions<DatabaseOptions>
    {
        public ValidateOptionsResult Validate(string? name, DatabaseOptions options)
        {
            var problems = new SettingProblems(Section);
            problems.Require(options.PoolSize is >= 2 and <= 100, nameof(PoolSize), options.PoolSize, "2 to 100 connections");
            problems.RequireBetween(nameof(CommandTimeout), options.CommandTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));
            problems.Require(!string.IsNullOrWhiteSpace(options.ConnectionString), nameof(ConnectionString),
                "", $"{ConnectionStringExpected}. To try the system with a private database, run ./run.sh");
            try
            {
                _ = new NpgsqlConnectionStringBuilder(options.ConnectionString);
            }
            catch (ArgumentException e)
            {
                // The value itself may hold a password, and so may the parser's message.
                problems.Require(false, nameof(ConnectionString), $"(hidden, {e.GetType().Name})", ConnectionStringExpected);
            }
            return problems.Result;
        }
    }
}
