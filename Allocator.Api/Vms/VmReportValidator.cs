using Allocator.Contracts;
using FluentValidation;

namespace Allocator.Api.Vms;

internal sealed class VmReportValidator : AbstractValidator<VmReport>
{
    private const int MaxSteps = 32;
    private const int MaxStep = 64;
    private const int MaxWarnings = 16;
    private const int MaxWarning = 500;
    private static readonly double MaxStart = TimeSpan.FromDays(7).TotalSeconds;

    public VmReportValidator()
    {
        RuleFor(report => report.BootId)
            .Must(id => id is null || (id.Length is > 0 and <= 64 && id.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')))
            .WithMessage("Must be 1 to 64 letters, digits or hyphens, such as the content of /proc/sys/kernel/random/boot_id.");
        RuleFor(report => report.Startup)
            .Must(steps => steps is null || (steps.Count <= MaxSteps && steps.All(step =>
                step.Key.Length is > 0 and <= MaxStep && PlainText.IsPlain(step.Key) && step.Value >= 0 && step.Value <= MaxStart)))
            .WithMessage(
                $"Must be at most {MaxSteps} steps: names of 1 to {MaxStep} printable characters, each with 0 to {MaxStart:0} seconds.");
        RuleFor(report => report.Warnings)
            .Must(warnings => warnings is null || (warnings.Count <= MaxWarnings && warnings.All(warning =>
                warning.Key.Length is > 0 and <= MaxStep && PlainText.IsPlain(warning.Key)
                && warning.Value is null or { Length: > 0 and <= MaxWarning } && PlainText.IsPlain(warning.Value ?? ""))))
            .WithMessage(
                $"Must be at most {MaxWarnings} warnings: names of 1 to {MaxStep}, "
                + $"each with a text of 1 to {MaxWarning} printable characters, or null.");
    }
}
