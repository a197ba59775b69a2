using Microsoft.Extensions.Configuration;

namespace Allocator.Client.Agent;

/// <summary>Reads the settings of <c>allocator run</c>, also for the commands that check or show them.</summary>
internal static class ClientSettings
{
    /// <param name="config">The settings file; null for the service's, if it exists.</param>
    public static void AddTo(IConfigurationBuilder builder, FileInfo? config) => builder
        .AddJsonFile(config?.FullName ?? InstalledFiles.Configuration, optional: config is null)
        .AddEnvironmentVariables("ALLOCATOR_");

    /// <exception cref="ClientOptionsException">A setting is missing or wrong.</exception>
    /// <exception cref="InvalidDataException">The file is not JSON.</exception>
    public static (IConfiguration Settings, ClientOptions Options) Read(FileInfo? config)
    {
        var builder = new ConfigurationBuilder();
        AddTo(builder, config);
        var settings = builder.Build();
        return (settings, ClientOptions.Read(settings));
    }

    /// <summary>A folder that nobody but root and the service may enter hides its files even from being missed.</summary>
    public static bool IsClosed(string path)
    {
        try
        {
            using var _ = File.OpenRead(path);
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
