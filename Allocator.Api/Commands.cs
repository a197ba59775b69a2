using Allocator.Api.Settings;
using Allocator.Api.Data;
using Allocator.Api.Health;
using Allocator.Api.Security;

namespace Allocator.Api;

/// <summary>What this program does besides serving.</summary>
internal static class Commands
{
    private const string Usage =
        """
        Usage: Allocator.Api                   serve
               Allocator.Api migrate           bring the database's schema up to date, then end
               Allocator.Api database          run the private PostgreSQL until stopped; prints its connection string
               Allocator.Api health            ask the replica on this machine whether it is ready; 0 if it is
               Allocator.Api hash-password     read a password from standard input, print its hash for Admin__Users__<name>
               Allocator.Api new-key           print a new random key and its hash, for Admin__ApiKeys__<name> or Enrolment__TokenHashes__0
        """;

    /// <returns>The exit code, or null where the arguments name no command and the program is to serve.</returns>
    public static async Task<int?> RunAsync(string[] args)
    {
        switch (args)
        {
            case [] or [['-', ..], ..]:
                return null;
            case ["migrate", .. var rest]:
                return await MigrateAsync(rest);
            case ["database", .. var rest]:
                return await RunDatabaseAsync(rest);
            case ["health", .. var rest]:
                return await HealthCommand.RunAsync(rest);
            case ["hash-password"]:
                Console.WriteLine(Credentials.HashPassword(await Console.In.ReadLineAsync() ?? ""));
                return 0;
            case ["new-key"]:
                var key = VmToken.RandomSecret();
                Console.WriteLine($"key:  {key}{Environment.NewLine}hash: {Credentials.HashKey(key)}");
                return 0;
            default:
                await Console.Error.WriteLineAsync($"There is no command '{args[0]}'.{Environment.NewLine}{Usage}");
                return 2;
        }
    }

    private static async Task<int> MigrateAsync(string[] args)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory });
        builder.AddSecretFiles();
        await builder.AddDatabaseAsync();
        using var host = builder.Build();
        await host.Services.GetRequiredService<Migrator>().MigrateAsync(CancellationToken.None);
        Console.WriteLine("The schema is up to date.");
        return 0;
    }

    private static async Task<int> RunDatabaseAsync(string[] args)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory });
        var options = builder.Configuration.GetSection(DatabaseOptions.Section).Get<DatabaseOptions>() ?? new();
        builder.Logging.ClearProviders();
        using var host = builder.Build();
        // First, so that a signal to stop is heeded from the moment the connection string is out.
        await host.StartAsync();
        await using var postgres = await PrivatePostgres.StartAsync(DatabaseSetup.DataFolder(options));
        Console.WriteLine(postgres.ConnectionString);
        await host.WaitForShutdownAsync();
        return 0;
    }
}
