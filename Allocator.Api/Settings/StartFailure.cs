using System.Net.Sockets;
using System.Text.RegularExpressions;
using Allocator.Api.Data;
using Allocator.Api.Health;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Settings;

/// <summary>What an operator has to put right before the program can start, in words instead of a stack trace.</summary>
internal static partial class StartFailure
{
    /// <summary>The words for this exception; null where it is not an operator's to put right.</summary>
    public static string? Describe(Exception exception) => exception switch
    {
        OptionsValidationException wrong => string.Join(Environment.NewLine, wrong.Failures),
        AggregateException { InnerExceptions: var all } when all.All(one => Describe(one) is not null) =>
            string.Join(Environment.NewLine, all.Select(Describe)),
        PrivatePostgresException => exception.Message,
        NpgsqlException => $"The database named by {SettingProblems.Name("Database:ConnectionString")} cannot be used: {exception.Message}",
        InvalidOperationException when Unreadable().Match(exception.Message) is { Success: true } match =>
            $"{SettingProblems.Name(match.Groups["key"].Value)} is '{match.Groups["value"].Value}'; it must be {Words.For(Type.GetType(match.Groups["type"].Value))}.",
        IOException { InnerException: AddressInUseException } => Unusable(exception),
        SocketException { SocketErrorCode: SocketError.AccessDenied or SocketError.AddressNotAvailable } => Unusable(exception),
        FormatException when exception.Message.StartsWith("Invalid url", StringComparison.Ordinal) => Unusable(exception),
        _ => null,
    };

    /// <summary>Checks every setting now: what is wrong stops the start before anything has begun.</summary>
    public static void CheckSettings(this IHost host) => host.Services.GetRequiredService<IStartupValidator>().Validate();

    /// <returns>The exit code: 1 where a worker has given up, which stops the program, be it before it had quite started.</returns>
    public static async Task<int> RunUntilStoppedAsync(this WebApplication app)
    {
        var workers = app.Services.GetServices<IHostedService>().OfType<BackgroundService>().ToArray();
        try
        {
            await using (app)
            {
                await app.StartAsync();
                await app.UntilDrainedAsync();
                await app.StopAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // Asked to stop before it had started.
        }
        return workers.Any(worker => worker.ExecuteTask is { IsFaulted: true }) ? 1 : 0;
    }

    private static string Unusable(Exception exception) =>
        $"The address to listen on, urls (environment variable ASPNETCORE_URLS), cannot be used: {exception.Message}";

    /// <summary>How the framework says that a setting cannot be converted.</summary>
    [GeneratedRegex("^Failed to convert configuration value '(?<value>.*)' at '(?<key>.*)' to type '(?<type>[^']*)'")]
    private static partial Regex Unreadable();
}
