using System.Text.RegularExpressions;
using Allocator.Api.Data;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Configuration;

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
            $"{SettingProblems.Name(match.Groups["key"].Value)} is '{match.Groups["value"].Value}', which is not of the right kind ({match.Groups["type"].Value}).",
        _ => null,
    };

    /// <summary>Checks every setting now: what is wrong stops the start before anything has begun.</summary>
    public static void CheckSettings(this IHost host) => host.Services.GetRequiredService<IStartupValidator>().Validate();

    /// <summary>How the framework says that a setting cannot be converted.</summary>
    [GeneratedRegex("^Failed to convert configuration value '(?<value>.*)' at '(?<key>.*)' to type '(System\\.)?(?<type>.*)'")]
    private static partial Regex Unreadable();
}
