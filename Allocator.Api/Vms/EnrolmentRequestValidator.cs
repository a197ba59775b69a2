using System.Text.RegularExpressions;
using Allocator.Api.Web;
using Allocator.Contracts;
using FluentValidation;

namespace Allocator.Api.Vms;

internal sealed partial class EnrolmentRequestValidator : AbstractValidator<EnrolmentRequest>
{
    private const int MaxFacts = 32;
    private const int MaxKey = 64;
    private const int MaxValue = 256;

    public EnrolmentRequestValidator()
    {
        RuleFor(request => request.Hostname).Cascade(CascadeMode.Stop)
            .NotEmpty().WithMessage("Is required: the VM's host name.")
            .Must(name => Hostname.TryParse(name, out _)).WithMessage($"Must be {Hostname.Rule}.");
        RuleFor(request => request.MachineId).Cascade(CascadeMode.Stop)
            .NotEmpty().WithMessage(
                "Is required: an id that distinguishes this machine from another with the same name, such as the content of /etc/machine-id.")
            .Must(id => MachineId().IsMatch(id!)).WithMessage("Must be 1 to 128 letters, digits or . _ : -");
        RuleFor(request => request.Pool).IsPoolName();
        RuleFor(request => request.Metadata)
            .Must(facts => facts is null || (facts.Count <= MaxFacts
                && facts.All(fact => IsText(fact.Key, MaxKey) && fact.Value is not null && IsText(fact.Value, MaxValue))))
            .WithMessage($"Must be at most {MaxFacts} facts: keys of 1 to {MaxKey}, values of at most {MaxValue} printable characters.");
    }

    private static bool IsText(string text, int maxLength) => text.Length <= maxLength && PlainText.IsPlain(text);

    [GeneratedRegex(@"\A[A-Za-z0-9._:-]{1,128}\z")]
    private static partial Regex MachineId();
}
