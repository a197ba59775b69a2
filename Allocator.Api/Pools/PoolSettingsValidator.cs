using Allocator.Api.Web;
using Allocator.Contracts;
using FluentValidation;

namespace Allocator.Api.Pools;

internal sealed class PoolSettingsValidator : AbstractValidator<PoolSettings>
{
    private const int MaxDomains = 100;
    private static readonly TimeSpan MinDuration = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan MaxDuration = TimeSpan.FromDays(366);

    public PoolSettingsValidator()
    {
        RuleFor(settings => settings.AccessCode)
            .Must(code => code is null || (code.Length <= Limits.MaxAccessCode && PlainText.IsPlain(code)))
            .WithMessage($"Must be 1 to {Limits.MaxAccessCode} printable characters, empty to remove it, or null to leave it unchanged.");
        RuleFor(settings => settings.OpensAt).Must(Instant.HasTimeZone).WithMessage($"Must be {Instant.Rule}.");
        RuleFor(settings => settings.ClosesAt).Cascade(CascadeMode.Stop)
            .Must(Instant.HasTimeZone).WithMessage($"Must be {Instant.Rule}.")
            .Must((settings, closes) => !(closes?.ToUniversalTime() <= settings.OpensAt?.ToUniversalTime())).WithMessage("Must be after opensAt.");
        RuleFor(settings => settings.RushUntil).Must(Instant.HasTimeZone).WithMessage($"Must be {Instant.Rule}.");
        RuleFor(settings => settings.Duration)
            .Must(duration => duration is null || (duration >= MinDuration && duration <= MaxDuration))
            .WithMessage($"Must be a time (hh:mm:ss) from {MinDuration} to {MaxDuration}, or null for no limit.");
        RuleFor(settings => settings.Warning)
            .Must((settings, warning) => warning is null || (warning > TimeSpan.Zero && warning < settings.Duration))
            .WithMessage("Must be a time (hh:mm:ss) shorter than duration, or null for no warning.");
        RuleFor(settings => settings.EmailDomains)
            .Must(domains => domains is null || (domains.Count is > 0 and <= MaxDomains && domains.All(IsDomain)))
            .WithMessage($"Must be 1 to {MaxDomains} domains such as example.org, or null for any.");
        RuleFor(settings => settings.MostPerAddress)
            .Must(most => most is null or > 0).WithMessage("Must be at least 1, or null for no limit.");
    }

    private static bool IsDomain(string domain) => Hostname.TryParse(domain, out _) && domain.Contains('.', StringComparison.Ordinal);
}
