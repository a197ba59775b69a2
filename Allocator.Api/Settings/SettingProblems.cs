using Allocator.Contracts.Settings;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Settings;

/// <summary>Collects the problems of one section that the definitions of single settings cannot express.</summary>
internal sealed class SettingProblems(string section)
{
    private readonly List<string> _problems = [];

    public ValidateOptionsResult Result =>
        _problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(_problems);

    public void Require(bool isRight, string key, object? value, string expected)
    {
        if (!isRight)
        {
            _problems.Add(SettingDefinition.Refuse("", section.Length == 0 ? key : $"{section}:{key}", value, expected));
        }
    }
}
