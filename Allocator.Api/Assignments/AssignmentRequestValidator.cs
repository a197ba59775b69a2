using System.Text.RegularExpressions;
using Allocator.Api.Pools;
using Allocator.Contracts;
using FluentValidation;

namespace Allocator.Api.Assignments;

internal sealed partial class AssignmentRequestValidator : AbstractValidator<AssignmentRequest>
{
    public const string AddressRule = "Must be an e-mail address such as ada@example.org, of at most 254 characters.";

    public static bool IsAddress(string? email) => email?.Trim() is { Length: <= 254 } trimmed && Address().IsMatch(trimmed);

    public AssignmentRequestValidator()
    {
        RuleFor(request => request.Email).Cascade(CascadeMode.Stop)
            .NotEmpty().WithMessage("Is needed: the address of the person who asks.")
            .Must(IsAddress).WithMessage(AddressRule);
        RuleFor(request => request.Pool).IsPoolName();
        RuleFor(request => request.AccessCode)
            .Must(code => code is null || (code.Length <= PoolSettingsValidator.MaxAccessCode && !code.Any(char.IsControl)))
            .WithMessage($"Must be at most {PoolSettingsValidator.MaxAccessCode} printable characters.");
        RuleFor(request => request.Command)
            .Must(command => string.IsNullOrWhiteSpace(command) || RemoteDesktopCode.Code(command) is not null)
            .WithMessage($"Must be {RemoteDesktopCode.Rule}.");
    }

    /// <summary>Something, one @, and a domain with a dot; no spaces, brackets, quotes, separators or control characters.</summary>
    [GeneratedRegex(@"\A[^\s\p{C}@<>()\[\]"",;:\\]+@[^\s\p{C}@<>()\[\]"",;:\\.]+(\.[^\s\p{C}@<>()\[\]"",;:\\.]+)+\z")]
    private static partial Regex Address();
}
