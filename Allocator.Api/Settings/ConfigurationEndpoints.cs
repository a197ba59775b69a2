using System.Collections;
using System.Globalization;
using System.Reflection;
using Allocator.Api.Security;
using Allocator.Contracts;
using Microsoft.Extensions.Configuration.CommandLine;
using Microsoft.Extensions.Configuration.EnvironmentVariables;
using Microsoft.Extensions.Configuration.Json;
using Microsoft.Extensions.Configuration.KeyPerFile;
using Npgsql;

namespace Allocator.Api.Settings;

/// <summary>Shows the settings of this replica and the source of each.</summary>
internal static class ConfigurationEndpoints
{
    private const string Masked = "***";

    public static void MapConfiguration(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/config", (IServiceProvider services, IConfiguration configuration, IHostEnvironment environment) => TypedResults.Ok(
                new ReplicaConfiguration(ReplicaName.Value, environment.EnvironmentName, List(services, (IConfigurationRoot)configuration))))
            .WithName("Configuration").WithTags("Admins").WithSummary("The settings in force on this replica, secrets masked")
            .RequireAuthorization(Callers.Admin)
            .ProducesProblem(StatusCodes.Status401Unauthorized);

    private static List<Setting> List(IServiceProvider services, IConfigurationRoot configuration) =>
    [
        .. from section in services.GetServices<SettingsSection>()
           let options = section.InForce(services)
           from property in section.Properties
           from value in Values(section.Define(property).Key, property.GetValue(options))
           orderby value.Key
           select new Setting(
               value.Key,
               value.Key.Replace(":", "__", StringComparison.Ordinal),
               Show(value.Value, property.GetCustomAttribute<SecretAttribute>()),
               Source(configuration, value.Key)),
    ];

    /// <summary>Returns one entry for each element of a list or a dictionary.</summary>
    private static IEnumerable<(string Key, object? Value)> Values(string key, object? value) => value switch
    {
        IDictionary<string, string> named => named.Select(one => ($"{key}:{one.Key}", (object?)one.Value)),
        IList list => list.Cast<object?>().Select((one, i) => (string.Create(CultureInfo.InvariantCulture, $"{key}:{i}"), one)),
        _ => [(key, value)],
    };

    private static string Show(object? value, SecretAttribute? secret)
    {
        var text = Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        if (secret is null || text.Length == 0)
        {
            return text;
        }
        if (!secret.IsConnectionString)
        {
            return Masked;
        }
        var connection = new NpgsqlConnectionStringBuilder(text);
        connection.Password = connection.Password is null ? null : Masked;
        connection.SslPassword = connection.SslPassword is null ? null : Masked;
        return connection.ConnectionString;
    }

    /// <summary>Returns the source that sets this key; later sources override earlier ones.</summary>
    private static string Source(IConfigurationRoot configuration, string key) =>
        configuration.Providers.Reverse().FirstOrDefault(provider => provider.TryGet(key, out _)) switch
        {
            null => "default",
            JsonConfigurationProvider file => file.Source.Path ?? "file",
            EnvironmentVariablesConfigurationProvider => "environment",
            CommandLineConfigurationProvider => "command line",
            KeyPerFileConfigurationProvider => "secret file",
            ChainedConfigurationProvider { Configuration: IConfigurationRoot inner } => Source(inner, key),
            _ => "host",
        };
}
