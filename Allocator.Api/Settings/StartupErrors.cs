using System.Net.Sockets;
using Allocator.Contracts.Settings;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Allocator.Api.Settings;

/// <summary>Describes what an operator has to correct before the program can start.</summary>
internal static class StartupErrors
{
    /// <summary>Returns a message without a stack trace, or null if an operator cannot correct the cause.</summary>
    public static string? Describe(Exception exception) => exception switch
    {
        OptionsValidationException wrong => string.Join(Environment.NewLine, wrong.Failures),
        AggregateException { InnerExceptions: var all } when all.All(one => Describe(one) is not null) =>
            string.Join(Environment.NewLine, all.Select(Describe)),
        NpgsqlException => $"The database named by {SettingDefinition.Name("Database:ConnectionString")} cannot be used: {exception.Message}",
        IOException { InnerException: AddressInUseException } => DescribeAddress(exception),
        SocketException { SocketErrorCode: SocketError.AccessDenied or SocketError.AddressNotAvailable } => DescribeAddress(exception),
        FormatException when exception.Message.StartsWith("Invalid url", StringComparison.Ordinal) => DescribeAddress(exception),
        _ => null,
    };

    private static string DescribeAddress(Exception exception) =>
        $"The address to listen on, urls (environment variable ASPNETCORE_URLS), cannot be used: {exception.Message}";
}
