using System.Data.Common;
using System.Diagnostics;
using System.Net;
using Allocator.Api.Settings;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Data;

/// <summary>Registers the database.</summary>
internal static class DatabaseSetup
{
    public static void AddDatabase(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSettings<DatabaseOptions, DatabaseOptions.Validator>(DatabaseOptions.Section);
        builder.Services.AddSingleton<Migrator>();
        builder.Services.AddSingleton(services => CreateDataSource(
            services.GetRequiredService<IOptions<DatabaseOptions>>().Value, services.GetRequiredService<ILoggerFactory>()));
    }

    /// <summary>Returns the folder for files that a development machine keeps between runs.</summary>
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

    internal static NpgsqlDataSource CreateDataSource(DatabaseOptions options, ILoggerFactory logs)
    {
        var settings = new NpgsqlConnectionStringBuilder(options.ConnectionString)
        {
            MaxPoolSize = options.PoolSize,
            CommandTimeout = (int)options.CommandTimeout.TotalSeconds,
            // No code keeps state in a session, so there is nothing to reset; poolers in transaction mode require this.
            NoResetOnClose = true,
        };
        if (!settings.ContainsKey("Timeout"))
        {
            // Seconds to connect. A polling VM may wait for it, and gives up after ten.
            settings.Timeout = 5;
        }
        if (!SaysWhetherToEncrypt(options.ConnectionString) && !IsOnThisMachine(settings.Host))
        {
            // Npgsql's default encrypts if the server likes to, and lets anybody be the server.
            settings.SslMode = SslMode.VerifyFull;
        }
        if (options.Password.Length > 0)
        {
            settings.Password = options.Password;
        }
        settings.ApplicationName ??= ReplicaName.Value;
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        builder.UseLoggerFactory(logs);
        // The name in metrics and traces, in place of the connection string.
        builder.Name = "allocator";
        // Trace only statements that belong to a request; the feed runs all the time.
        builder.ConfigureTracing(traces => traces.ConfigureCommandFilter(_ => Activity.Current is not null));
        return builder.Build();
    }

    // NpgsqlConnectionStringBuilder contains every key that it knows.
    private static bool SaysWhetherToEncrypt(string connectionString)
    {
        var given = new DbConnectionStringBuilder { ConnectionString = connectionString };
        return given.ContainsKey("SSL Mode") || given.ContainsKey("SslMode");
    }

    /// <summary>Returns whether these hosts, separated by commas, are sockets or loopback addresses.</summary>
    private static bool IsOnThisMachine(string? hosts) => (hosts ?? "").Split(',').All(host =>
        host.StartsWith('/') || host.StartsWith('@') || host == "localhost"
        || (IPAddress.TryParse(host.Split(':') is [var name, _] ? name : host, out var address) && IPAddress.IsLoopback(address)));
}
