using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Allocator.Client.Terminal;
using Allocator.Contracts;
using Microsoft.Extensions.Configuration;
using Refit;

namespace Allocator.Client.Admin;

/// <summary>
/// The allocator's address and an admin's credentials. They are read from the environment, and what is missing there from a
/// file that only its owner can read; never from arguments, which every user of the machine can see.
/// </summary>
/// <param name="Url"><c>ALLOCATOR_Url</c>, or <c>url</c> in the file.</param>
/// <param name="Credentials">The name and value of the header that carries the password or the API key.</param>
internal sealed record AdminAccess(Uri Url, KeyValuePair<string, string> Credentials)
{
    private const UnixFileMode Others =
        UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <exception cref="CommandException">The address or the credentials are missing, or others can read the file.</exception>
    public static AdminAccess Read()
    {
        var environment = new ConfigurationBuilder().AddEnvironmentVariables("ALLOCATOR_").Build();
        var path = Text(environment["ADMIN_FILE"]) ?? DefaultPath();
        var url = Text(environment["Url"]);
        var credentials = Header(environment["ADMIN_USER"], environment["ADMIN_PASSWORD"], environment["API_KEY"]);
        if (url is null || credentials is null)
        {
            var file = ReadFile(path, mustExist: Text(environment["ADMIN_FILE"]) is not null);
            url ??= Text(file["url"]);
            credentials ??= Header(file["adminUser"], file["adminPassword"], file["apiKey"]);
        }
        return new AdminAccess(
            Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
                ? uri
                : throw new CommandException(ExitCode.WrongUsage,
                    url is null
                        ? $"The allocator's address is not set. Set ALLOCATOR_Url, or 'url' in {path}, such as https://allocator.example.org."
                        : $"ALLOCATOR_Url (or 'url' in {path}) must be an address such as https://allocator.example.org, not '{url}'."),
            credentials ?? throw new CommandException(ExitCode.Credentials,
                $$"""
                No credentials. Set ALLOCATOR_ADMIN_USER and ALLOCATOR_ADMIN_PASSWORD, or ALLOCATOR_API_KEY, or create the file
                {{path}} with mode 0600:
                  {"url": "https://…", "adminUser": "…", "adminPassword": "…"} or {"url": "https://…", "apiKey": "…"}
                """));
    }

    public IAdminApi Connect()
    {
        // A redirect is not followed, so that the credentials are sent to the allocator only.
        var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = Url, Timeout = TimeSpan.FromSeconds(60) };
        http.DefaultRequestHeaders.Add(Credentials.Key, Credentials.Value);
        var json = new JsonSerializerOptions(JsonSerializerDefaults.Web) { TypeInfoResolver = WireJson.Default };
        return RestService.ForGenerated<IAdminApi>(http, new RefitSettings(new SystemTextJsonContentSerializer(json)));
    }

    private static KeyValuePair<string, string>? Header(string? user, string? password, string? key) =>
        Text(key) is { } apiKey ? new("X-Api-Key", Sendable(apiKey))
        : Text(user) is { } name && Text(password) is { } secret
            ? new("Authorization", $"{new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{name}:{secret}")))}")
        : null;

    private static string Sendable(string apiKey) => apiKey.All(c => c is > ' ' and <= '~')
        ? apiKey
        : throw new CommandException(ExitCode.Credentials, "The API key contains characters that cannot be sent in a header.");

    private static string DefaultPath() => Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData, Environment.SpecialFolderOption.DoNotVerify), "allocator", "admin.json");

    private static IConfigurationRoot ReadFile(string path, bool mustExist)
    {
        try
        {
            if (!File.Exists(path))
            {
                return mustExist
                    ? throw new CommandException(ExitCode.Credentials, $"The file {path}, named by ALLOCATOR_ADMIN_FILE, does not exist.")
                    : new ConfigurationBuilder().Build();
            }
            if ((File.GetUnixFileMode(path) & Others) != 0)
            {
                throw new CommandException(
                    ExitCode.Credentials, $"{path} contains credentials, but other users can access it. Run: chmod 600 {path}");
            }
            using var stream = File.OpenRead(path);
            return new ConfigurationBuilder().AddJsonStream(stream).Build();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or JsonException)
        {
            throw new CommandException(ExitCode.Credentials, $"Cannot read {path}: {e.Message}");
        }
    }

    private static string? Text(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();
}
