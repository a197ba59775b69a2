using Allocator.Api.Web;
using Allocator.Contracts;
using FluentValidation;

namespace Allocator.Api.Assignments;

internal sealed class AssignmentRequestValidator : AbstractValidator<AssignmentRequest>
{
    public AssignmentRequestValidator()
    {
        RuleFor(request => request.Email).Cascade(CascadeMode.Stop)
            .NotEmpty().WithMessage("Is required: the e-mail address of the person.")
            .Must(EmailAddress.IsValid).WithMessage($"Must be {EmailAddress.Rule}.");
        RuleFor(request => request.Pool).IsPoolName();
        RuleFor(request => request.AccessCode)
            .Must(code => code is null || (code.Length <= Limits.MaxAccessCode && PlainText.IsPlain(code)))
            .WithMessage($"Must be at most {Limits.MaxAccessCode} printable characters.");
        RuleFor(request => request.Command)
            .Must(command => string.IsNullOrWhiteSpace(command) || RemoteDesktopCode.Code(command) is not null)
            .WithMessage($"Must be {RemoteDesktopCode.Rule}.");
    }
}
