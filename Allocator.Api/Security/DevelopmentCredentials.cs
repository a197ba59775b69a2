using System.Text.Json;
using Allocator.Api.Data;
using Allocator.Api.Settings;

namespace Allocator.Api.Security;

/// <summary>
/// Creates an admin and an enrolment token on a development machine where none are set, and keeps them in a file that only
/// its owner can read. The log contains the path of the file, never its content.
/// </summary>
internal static partial class DevelopmentCredentials
{
    private sealed record File(string AdminUser, string AdminPassword, string EnrolmentToken);

    public static void AddIfNoneAreSet(IHostApplicationBuilder builder)
    {
        var admin = builder.Configuration.GetSection(AdminOptions.Section).Get<AdminOptions>();
        var enrolment = builder.Configuration.GetSection(EnrolmentOptions.Section).Get<EnrolmentOptions>();
        var needsAdmin = admin is null or { Users.Count: 0, ApiKeys.Count: 0 };
        var needsToken = enrolment is null or { TokenHashes.Count: 0 };
        if (!needsAdmin && !needsToken)
        {
            return;
        }

        var folder = DatabaseSetup.DataFolder(builder.Configuration.ReadSettings<DatabaseOptions>(DatabaseOptions.Section));
        var path = Path.Combine(folder, "credentials.json");
        var created = ReadOrCreate(path);
        if (needsAdmin)
        {
            builder.Services.PostConfigure<AdminOptions>(
                options => options.Users[created.AdminUser] = Credentials.HashPassword(created.AdminPassword));
        }
        if (needsToken)
        {
            builder.Services.PostConfigure<EnrolmentOptions>(
                options => options.TokenHashes.Add(Credentials.HashKey(created.EnrolmentToken)));
        }
        builder.Services.AddHostedService(services => new Announcement(path, services.GetRequiredService<ILogger<Credentials>>()));
    }

    private static File ReadOrCreate(string path)
    {
        if (System.IO.File.Exists(path))
        {
            return JsonSerializer.Deserialize<File>(System.IO.File.ReadAllText(path), JsonSerializerOptions.Web)!;
        }
        var created = new File("admin", VmToken.RandomSecret(), VmToken.RandomSecret());
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var stream = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        JsonSerializer.Serialize(stream, created, JsonSerializerOptions.Web);
        return created;
    }

    private sealed partial class Announcement(string path, ILogger log) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            UsingFile(log, path);
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        [LoggerMessage(Level = LogLevel.Warning, Message =
            "No admin or no enrolment token is set: using those in {Path}. In production set Admin__Users__<name> and Enrolment__TokenHashes__0.")]
        private static partial void UsingFile(ILogger log, string path);
    }
}
