using Allocator.Api.Web;
using Allocator.Contracts;
using FluentValidation;

namespace Allocator.Api.Vms;

internal sealed class EnrolmentTokenRequestValidator : AbstractValidator<EnrolmentTokenRequest>
{
    private const int MaxTokens = 1_000;
    private static readonly TimeSpan MinLifetime = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan MaxLifetime = TimeSpan.FromDays(366);

    public EnrolmentTokenRequestValidator()
    {
        RuleFor(request => request.Pool).IsPoolName();
        RuleFor(request => request.Hostname).IsHostname();
        RuleFor(request => request.Uses)
            .InclusiveBetween(1, MaxTokens).WithMessage($"Must be 1 to {MaxTokens:N0}.");
        RuleFor(request => request.Count)
            .InclusiveBetween(1, MaxTokens).WithMessage($"Must be 1 to {MaxTokens:N0}.");
        RuleFor(request => request.ExpiresAt)
            .Must(Instant.HasTimeZone).WithMessage($"Must be {Instant.Rule}.");
        RuleFor(request => request.ValidFor)
            .Must((request, span) => span is null || request.ExpiresAt is null).WithMessage("Must not be given together with expiresAt.")
            .Must(span => span is null || (span >= MinLifetime && span <= MaxLifetime))
            .WithMessage($"Must be a time (hh:mm:ss) from {MinLifetime} to {MaxLifetime}.");
    }
}
