using System.Diagnostics;
using Allocator.Api.Settings;
using Npgsql;

namespace Allocator.Api.Data;

/// <summary>Registers the database, starting a private one where none is named.</summary>
internal static partial class DatabaseSetup
{
    public static async Task AddDatabaseAsync(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSettings<DatabaseOptions, DatabaseOptions.Validator>(DatabaseOptions.Section);
        builder.Services.AddSingleton<Migrator>();

        var options = builder.Configuration.GetSection(DatabaseOptions.Section).Get<DatabaseOptions>() ?? new();
        if (string.IsNullOrWhiteSpace(options.ConnectionString))
        {
            var postgres = await PrivatePostgres.StartAsync(DataFolder(options));
            options.ConnectionString = postgres.ConnectionString;
            // By a factory, so that the container stops it, after the data source that is made from it.
            builder.Services.AddSingleton(_ => postgres);
            builder.Services.AddHostedService<Announcement>();
        }

        builder.Services.AddSingleton(services =>
        {
            _ = services.GetService<PrivatePostgres>();
            return CreateDataSource(options, services.GetRequiredService<ILoggerFactory>());
        });
    }

    /// <summary>Where a development machine keeps what must survive a restart.</summary>
    public static string DataFolder(DatabaseOptions options)
    {
        if (!string.IsNullOrWhiteSpace(options.DataFolder))
        {
            return options.DataFolder;
        }
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Allocator.sln")))
            {
                return Path.Combine(folder.FullName, ".data");
            }
        }
        return Path.Combine(Environment.CurrentDirectory, ".data");
    }

    private static NpgsqlDataSource CreateDataSource(DatabaseOptions options, ILoggerFactory logs)
    {
        var settings = new NpgsqlConnectionStringBuilder(options.ConnectionString)
        {
            MaxPoolSize = options.PoolSize,
            CommandTimeout = (int)options.CommandTimeout.TotalSeconds,
            // Nothing holds state in a session, so there is nothing to reset; poolers in transaction mode need it so.
            NoResetOnClose = true,
        };
        if (!settings.ContainsKey("Timeout"))
        {
            // To connect, in seconds. A VM that polls meanwhile waits as long, and gives up after ten.
            settings.Timeout = 5;
        }
        if (options.Password.Length > 0)
        {
            settings.Password = options.Password;
        }
        settings.ApplicationName ??= ReplicaName.Value;
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        builder.UseLoggerFactory(logs);
        // In signals, instead of the connection string.
        builder.Name = "allocator";
        // The feed asks all the time and is nobody's request.
        builder.ConfigureTracing(traces => traces.ConfigureCommandFilter(_ => Activity.Current is not null));
        return builder.Build();
    }

    private sealed partial class Announcement(PrivatePostgres postgres, ILogger<PrivatePostgres> log) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            Started(log, postgres.ConnectionString);
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        [LoggerMessage(Level = LogLevel.Warning, Message =
            "No connection string is set: using a private PostgreSQL ({ConnectionString}). For a real one set Database__ConnectionString.")]
        private static partial void Started(ILogger log, string connectionString);
    }
}
