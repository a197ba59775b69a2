using System.Net.Sockets;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Settings;

/// <summary>Describes what an operator has to correct before the program can start.</summary>
internal static partial class StartupErrors
{
    /// <summary>Returns a message without a stack trace, or null if an operator cannot correct the cause.</summary>
    public static string? Describe(Exception exception) => exception switch
    {
        OptionsValidationException wrong => string.Join(Environment.NewLine, wrong.Failures),
        AggregateException { InnerExceptions: var all } when all.All(one => Describe(one) is not null) =>
            string.Join(Environment.NewLine, all.Select(Describe)),
        NpgsqlException => $"The database named by {SettingProblems.Name("Database:ConnectionString")} cannot be used: {exception.Message}",
        InvalidOperationException when ConversionFailure().Match(exception.Message) is { Success: true } match =>
            $"{SettingProblems.Name(match.Groups["key"].Value)} is '{match.Groups["value"].Value}'; "
            + $"it must be {SettingTypeNames.For(Type.GetType(match.Groups["type"].Value))}.",
        IOException { InnerException: AddressInUseException } => DescribeAddress(exception),
        SocketException { SocketErrorCode: SocketError.AccessDenied or SocketError.AddressNotAvailable } => DescribeAddress(exception),
        FormatException when exception.Message.StartsWith("Invalid url", StringComparison.Ordinal) => DescribeAddress(exception),
        _ => null,
    };

    private static string DescribeAddress(Exception exception) =>
        $"The address to listen on, urls (environment variable ASPNETCORE_URLS), cannot be used: {exception.Message}";

    /// <summary>Matches the framework's message about a setting that cannot be converted to its type.</summary>
    [GeneratedRegex("^Failed to convert configuration value '(?<value>.*)' at '(?<key>.*)' to type '(?<type>[^']*)'")]
    private static partial Regex ConversionFailure();
}
