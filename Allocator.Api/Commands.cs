using Allocator.Api.Settings;
using Allocator.Api.Data;
using Allocator.Api.Health;
using Allocator.Api.Security;

namespace Allocator.Api;

/// <summary>Runs the commands of this program; without a command it serves.</summary>
internal static class Commands
{
    private const string Usage =
        """
        Usage: Allocator.Api                   serve
               Allocator.Api migrate           bring the database schema up to date, then exit
               Allocator.Api health            check whether the replica on this machine is ready; exits with 0 if it is
               Allocator.Api hash-password     read a password from standard input and print its hash for Admin__Users__<name>
               Allocator.Api new-key           print a new random key and its hash, for Admin__ApiKeys__<name> or Enrolment__TokenHashes__0
        """;

    /// <returns>The exit code, or null if the arguments name no command.</returns>
    public static async Task<int?> RunAsync(string[] args)
    {
        switch (args)
        {
            case [] or [['-', ..], ..]:
                return null;
            case ["migrate", .. var rest]:
                return await MigrateAsync(rest);
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
        builder.AddDatabase();
        using var host = builder.Build();
        await host.Services.GetRequiredService<Migrator>().MigrateAsync(CancellationToken.None);
        Console.WriteLine("The schema is up to date.");
        return 0;
    }
}
