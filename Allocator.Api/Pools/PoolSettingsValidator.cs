using Allocator.Contracts;
using FluentValidation;

namespace Allocator.Api.Pools;

internal sealed class PoolSettingsValidator : AbstractValidator<PoolSettings>
{
    public const int LongestAccessCode = 64;

    public PoolSettingsValidator() =>
        RuleFor(settings => settings.AccessCode)
            .Must(code => code is null || (code.Length is > 0 and <= LongestAccessCode && !code.Any(char.IsControl)))
            .WithMessage($"Must be 1 to {LongestAccessCode} printable characters, or null where none is needed.");
}
