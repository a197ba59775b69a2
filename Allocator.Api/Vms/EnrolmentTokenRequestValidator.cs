using Allocator.Api.Pools;
using Allocator.Api.Web;
using Allocator.Contracts;
using FluentValidation;

namespace Allocator.Api.Vms;

internal sealed class EnrolmentTokenRequestValidator : AbstractValidator<EnrolmentTokenRequest>
{
    private const int Most = 1_000;
    private static readonly TimeSpan Shortest = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Longest = TimeSpan.FromDays(366);

    public EnrolmentTokenRequestValidator()
    {
        RuleFor(request => request.Pool).IsPoolName();
        RuleFor(request => request.Hostname).IsHostname();
        RuleFor(request => request.Uses)
            .InclusiveBetween(1, Most).WithMessage($"Must be 1 to {Most:N0}.");
        RuleFor(request => request.Count)
            .InclusiveBetween(1, Most).WithMessage($"Must be 1 to {Most:N0}.");
        RuleFor(request => request.ExpiresAt)
            .Must(Instant.IsOne).WithMessage($"Must be {Instant.Rule}.");
        RuleFor(request => request.ValidFor)
            .Must((request, span) => span is null || request.ExpiresAt is null).WithMessage("Must not be given where expiresAt is.")
            .Must(span => span is null || (span >= Shortest && span <= Longest)).WithMessage($"Must be a time (hh:mm:ss) from {Shortest} to {Longest}.");
    }
}
