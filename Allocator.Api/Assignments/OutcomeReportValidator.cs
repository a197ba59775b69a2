using Allocator.Contracts;
using FluentValidation;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Assignments;

internal sealed class OutcomeReportValidator : AbstractValidator<OutcomeReport>
{
    private const int MaxDetail = 4_096;

    public OutcomeReportValidator(IOptions<DeliveryOptions> options)
    {
        var schemes = options.Value.AllowHttpConnectUrl ? "http or https" : "https";
        RuleFor(report => report.Generation).Cascade(CascadeMode.Stop)
            .NotNull().WithMessage("Is required: the generation that the VM acted on.")
            .GreaterThan(0).WithMessage("Must be a generation: 1 or more.");
        RuleFor(report => report.Outcome)
            .NotNull().WithMessage("Is required: one of connected, failed, clean.");
        RuleFor(report => report.ConnectUrl)
            .Must(url => url is null || (OutcomeReport.CanonicalConnectUrl(url) is { } canonical
                && (options.Value.AllowHttpConnectUrl || canonical.StartsWith("https:", StringComparison.Ordinal))))
            .WithMessage($"Must be an absolute {schemes} URL of at most {OutcomeReport.MaxConnectUrl:N0} characters, "
                + "without quotes, angle brackets, backslashes, spaces or a user.");
        RuleFor(report => report.ConnectUrl)
            .Null().When(report => report.Outcome is not null and not Outcome.Connected)
            .WithMessage("Can only be given with the outcome connected.");
        RuleFor(report => report.Detail)
            .Must(detail => detail is null || (detail.Length <= MaxDetail && !detail.Contains('\0')))
            .WithMessage($"Must be text of at most {MaxDetail:N0} characters.");
    }
}
