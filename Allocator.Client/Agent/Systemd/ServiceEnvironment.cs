namespace Allocator.Client.Agent.Systemd;

/// <summary>
/// The environment that the unit gives the client. A shell's own is another: its proxy is not the service's, and a check
/// with it would prove nothing.
/// </summary>
internal static class ServiceEnvironment
{
    private static readonly string[] Proxies = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];

    /// <summary>Makes this process' environment what the service's is.</summary>
    /// <returns>The shell's proxy settings that the service does not have.</returns>
    public static IReadOnlyList<string> Adopt(string file)
    {
        var ofService = Parse(File.Exists(file) ? File.ReadAllText(file) : "");
        var ofShellOnly = Proxies.SelectMany(name => new[] { name, name.ToUpperInvariant() })
            .Where(name => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value && !(ofService.TryGetValue(name, out var known) && known == value))
            .ToArray();
        foreach (var name in ofShellOnly)
        {
            Environment.SetEnvironmentVariable(name, null);
        }
        foreach (var (name, value) in ofService)
        {
            Environment.SetEnvironmentVariable(name, value);
        }
        return ofShellOnly;
    }

    /// <summary>As systemd reads an <c>EnvironmentFile</c>: a variable on a line, in quotes or not; <c>#</c> and <c>;</c> begin a comment.</summary>
    public static IReadOnlyDictionary<string, string> Parse(string text)
    {
        var variables = new Dictionary<string, string>();
        foreach (var line in text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (line[0] is not ('#' or ';') && line.Split('=', 2) is [var name, var value])
            {
                value = value.Trim();
                variables[name.Trim()] = value is ['"', .., '"'] or ['\'', .., '\''] ? value[1..^1] : value;
            }
        }
        return variables;
    }
}
