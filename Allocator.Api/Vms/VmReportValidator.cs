using Allocator.Contracts;
using FluentValidation;

namespace Allocator.Api.Vms;

internal sealed class VmReportValidator : AbstractValidator<VmReport>
{
    private const int MostSteps = 32;
    private const int LongestStep = 64;
    private const int MostWarnings = 16;
    private const int LongestWarning = 500;
    private static readonly double LongestStart = TimeSpan.FromDays(7).TotalSeconds;

    public VmReportValidator()
    {
        RuleFor(report => report.BootId)
            .Must(id => id is null || (id.Length is > 0 and <= 64 && id.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')))
            .WithMessage("Must be 1 to 64 letters, digits or hyphens, such as the content of /proc/sys/kernel/random/boot_id.");
        RuleFor(report => report.Startup)
            .Must(steps => steps is null || (steps.Count <= MostSteps && steps.All(step =>
                step.Key.Length is > 0 and <= LongestStep && !step.Key.Any(char.IsControl) && step.Value >= 0 && step.Value <= LongestStart)))
            .WithMessage($"Must be at most {MostSteps} steps: names of 1 to {LongestStep} printable characters, each with its seconds, 0 to {LongestStart:0}.");
        RuleFor(report => report.Warnings)
            .Must(warnings => warnings is null || (warnings.Count <= MostWarnings && warnings.All(warning =>
                warning.Key.Length is > 0 and <= LongestStep && !warning.Key.Any(char.IsControl)
                && warning.Value is null or { Length: > 0 and <= LongestWarning } && warning.Value?.Any(char.IsControl) != true)))
            .WithMessage($"Must be at most {MostWarnings} warnings: names of 1 to {LongestStep}, each with words of 1 to {LongestWarning} printable characters, or null.");
    }
}
