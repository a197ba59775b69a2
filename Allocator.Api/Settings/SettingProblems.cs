using System.Globalization;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Settings;

/// <summary>Collects wrong settings of one section, each with its key, its environment variable and what would be right.</summary>
internal sealed class SettingProblems(string section)
{
    private readonly List<string> _problems = [];

    public ValidateOptionsResult Result =>
        _problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(_problems);

    /// <summary>A key with the environment variable that sets it.</summary>
    public static string Name(string key) => $"{key} (environment variable {key.Replace(":", "__", StringComparison.Ordinal)})";

    public void Require(bool right, string key, object? value, string whatWouldBeRight)
    {
        if (!right)
        {
            _problems.Add(string.Create(CultureInfo.InvariantCulture,
                $"{Name(section.Length == 0 ? key : $"{section}:{key}")} is '{value}'; it must be {whatWouldBeRight}."));
        }
    }

    public void RequireBetween(string key, TimeSpan value, TimeSpan least, TimeSpan most) =>
        Require(value >= least && value <= most, key, value, $"a time (hh:mm:ss) from {least} to {most}");
}
