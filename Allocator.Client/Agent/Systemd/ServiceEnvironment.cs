namespace Allocator.Client.Agent.Systemd;

/// <summary>
/// The environment of the service. It differs from that of a shell, so a check with the shell's proxy settings would prove
/// nothing about the service.
/// </summary>
internal static class ServiceEnvironment
{
    private static readonly string[] Proxies = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];

    /// <summary>Replaces the proxy settings of this process with those of the service, and adds its other variables.</summary>
    /// <returns>The names of the shell's proxy variables that the service does not get.</returns>
    public static IReadOnlyList<string> Adopt(string file)
    {
        var service = Parse(File.Exists(file) ? File.ReadAllText(file) : "");
        var shellOnly = Proxies.SelectMany(name => new[] { name, name.ToUpperInvariant() })
            .Where(name => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value
                && !(service.TryGetValue(name, out var known) && known == value))
            .ToArray();
        foreach (var name in shellOnly)
        {
            Environment.SetEnvironmentVariable(name, null);
        }
        foreach (var (name, value) in service)
        {
            Environment.SetEnvironmentVariable(name, value);
        }
        return shellOnly;
    }

    /// <summary>
    /// Parses an <c>EnvironmentFile</c> as systemd does: a variable per line, quoted or not; <c>#</c> and <c>;</c>
    /// begin a comment.
    /// </summary>
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
