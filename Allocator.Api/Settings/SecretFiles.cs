using Microsoft.Extensions.Options;

namespace Allocator.Api.Settings;

/// <summary>Reads settings from files, as container engines and orchestrators mount secrets.</summary>
internal static class SecretFiles
{
    /// <summary>
    /// Adds one file per setting, named like its environment variable, such as <c>Database__Password</c>. The files override
    /// all other sources, so call this before any setting is read. A file that is unreadable or empty stops the start.
    /// </summary>
    public static void AddSecretFiles(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSettings<SecretsOptions, SecretsOptions.Validator>(SecretsOptions.Section);

        var options = builder.Configuration.ReadSettings<SecretsOptions>(SecretsOptions.Section);
        Refuse(new SecretsOptions.Validator().Validate(null, options).Failures ?? []);
        if (options.Folder.Length == 0)
        {
            return;
        }
        IConfigurationRoot files;
        try
        {
            files = new ConfigurationBuilder().AddKeyPerFile(Path.GetFullPath(options.Folder), optional: true).Build();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The message contains the path.
            Refuse([$"A secret file cannot be read: {e.Message} It must be readable by the user that this program runs as."]);
            throw;
        }
        Refuse(
            from file in files.AsEnumerable()
            where file.Value is { } value && string.IsNullOrWhiteSpace(value)
            let path = Path.Combine(options.Folder, file.Key.Replace(":", "__", StringComparison.Ordinal))
            select $"The secret file {path} is empty; it must hold the value of {file.Key}.");
        builder.Configuration.AddConfiguration(files);
    }

    private static void Refuse(IEnumerable<string> problems)
    {
        if (problems.ToArray() is { Length: > 0 } all)
        {
            throw new OptionsValidationException(SecretsOptions.Section, typeof(SecretsOptions), all);
        }
    }
}
