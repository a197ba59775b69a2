using Allocator.Api.Web;
using Allocator.Contracts;
using FluentValidation;

namespace Allocator.Api.Assignments;

internal sealed class AssignmentSelectionValidator : AbstractValidator<AssignmentSelection>
{
    public AssignmentSelectionValidator()
    {
        RuleFor(selection => selection.Ids)
            .Must(ids => ids is null or { Count: > 0 and <= Limits.MaxNamed }).WithMessage($"Must be 1 to {Limits.MaxNamed:N0} ids.");
        RuleFor(selection => selection.Pool).IsPoolName();
        RuleFor(selection => selection.Hostname).IsHostname();
        RuleFor(selection => selection.Email)
            .Must(Limits.IsSearchText).WithMessage("Must be an e-mail address.");
        RuleFor(selection => selection.Text)
            .Must(Limits.IsSearchText).WithMessage($"Must be {Limits.SearchTextRule}.");
        // Guards against releasing everybody because a filter was forgotten.
        RuleFor(selection => selection.All)
            .Must((selection, all) => all != (selection with { All = false, DryRun = false } != new AssignmentSelection()))
            .WithMessage("Set `all` to true to select every live assignment; it cannot be combined with filters.");
    }
}

internal sealed class MoveRequestValidator : AbstractValidator<MoveRequest>
{
    public MoveRequestValidator()
    {
        RuleFor(move => move.Hostname).IsHostname();
        RuleFor(move => move.From).IsHostname();
    }
}

internal sealed class ExtensionRequestValidator : AbstractValidator<ExtensionRequest>
{
    private static readonly TimeSpan Min = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Max = TimeSpan.FromDays(366);

    public ExtensionRequestValidator()
    {
        RuleFor(extension => extension.By)
            .Must((extension, by) => (by is null) != (extension.ExpiresAt is null)).WithMessage("Give exactly one of `by` and `expiresAt`.");
        RuleFor(extension => extension.By)
            .Must(by => by is null || (by >= Min && by <= Max)).WithMessage($"Must be a time (hh:mm:ss) from {Min} to {Max}.");
        RuleFor(extension => extension.ExpiresAt)
            .Must(Instant.HasTimeZone).WithMessage($"Must be {Instant.Rule}.");
    }
}

internal sealed class VmAssignmentRequestValidator : AbstractValidator<VmAssignmentRequest>
{
    public VmAssignmentRequestValidator()
    {
        RuleFor(request => request.Email).Cascade(CascadeMode.Stop)
            .NotEmpty().WithMessage("Is required: the e-mail address of the person who gets the VM.")
            .Must(EmailAddress.IsValid).WithMessage($"Must be {EmailAddress.Rule}.");
        RuleFor(request => request.Command)
            .Must(command => string.IsNullOrWhiteSpace(command) || RemoteDesktopCode.Code(command) is not null)
            .WithMessage($"Must be {RemoteDesktopCode.Rule}.");
    }
}
