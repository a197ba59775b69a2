using Microsoft.Extensions.Configuration;

namespace Allocator.Client.Agent;

/// <summary>Where the settings of <c>allocator run</c> come from, for whoever has to know the same.</summary>
internal static class ClientSettings
{
    /// <param name="config">Null: the service's, if it is there.</param>
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
